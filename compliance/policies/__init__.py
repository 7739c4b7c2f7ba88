"""
The policy library.

Floor plan, in reading order:
"""
