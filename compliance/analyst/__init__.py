"""
The analyst.

Floor plan, in reading order:
"""
