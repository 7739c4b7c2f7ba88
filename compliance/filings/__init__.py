"""
Filings.

Floor plan, in reading order:
"""
