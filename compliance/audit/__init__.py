"""
The audit log.

Floor plan, in reading order:

log  what happened, appended
"""
