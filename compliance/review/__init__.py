"""
The review of flagged transfers.

Floor plan, in reading order:
"""
