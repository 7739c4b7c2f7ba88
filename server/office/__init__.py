"""
The compliance office: a process of its own, beside the server and joined to it through PostgreSQL alone.

Floor plan, in reading order:

record    the audit log and retention of this home
identity  who acts: a name and its role, from the settings
filer     the bank that files, as the settings describe it
settings  what the office is told, with units and bounds
"""
