"""
The compliance office: a process of its own, beside the server and joined to it through PostgreSQL alone.

Floor plan, in reading order:

assembly  the composition root: every part made, handed out and taken down again
door      ComplianceService on its port: TLS and roles, or this machine alone
beside    the office as the server's companion, started again when it dies
metrics   what operators see: families read from the worker's counters
record    the audit log and retention of this home
identity  who acts: a name and its role, from the settings
demo      customers whom filings can name, and the cash that makes a SAR and a CTR
filer     the bank that files, as the settings describe it
settings  what the office is told, with units and bounds
"""
