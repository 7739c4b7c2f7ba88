"""
The compliance office: a process of its own, beside the server and joined to it through PostgreSQL alone.

Floor plan, in reading order:

door      ComplianceService on its port: TLS and roles, or this machine alone
identity  who acts: a name and its role, from the settings
settings  what the office is told, with units and bounds
"""
