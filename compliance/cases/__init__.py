"""
Cases.

Floor plan, in reading order:
"""
