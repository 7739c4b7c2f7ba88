"""
Deterministic review.

Floor plan, in reading order:
"""
