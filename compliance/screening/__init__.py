"""
Sanctions screening.

Floor plan, in reading order:
"""
