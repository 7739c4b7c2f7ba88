"""
The server: the only room that knows the others.

Floor plan, in reading order:

cli          the command line `holdfast`
core_process   the core behind fronts, as a process
front_process  a front, as a process
supervisor   one core and several fronts, each a process of its own, kept running
child        a process kept running: started again when it dies, by a spare where there is one
assembly     the composition root: every part made, handed over, taken down
metrics      what the core's process shows of itself
tracing      a share of the authorizations as traces
warm_up      everything compiled before the first customer's request
reconciling  whether ledger, journal and PostgreSQL say the same of every authorization
reception    a listening front, wired: beside the core, or in a process of its own
dock         where fronts in processes of their own reach the core
office       the compliance office: its process, who may call it, what it is told
entrance     who is let in at the port of authorizations
front        gRPC: bytes in, one record per request; answers back as bytes
fraud        about fraud, beside the answers: labels; models followed and watched, shadows, drift, the floor
banking      accounts and transfers: asked for, reviewed, priced, carried out
store        PostgreSQL: the directory's tables, people and cards, decisions for reading
core         the spine: a batch of requests to durable answers
spread       one port, several listeners: claimed, spread over, counted
overseen     a process under a supervisor: what it says and hears
tasks        what runs for as long as its process does
authority    a certificate authority for development
background   work that gives way to others
keys         the secrets of one installation
title        what ps and top call a process
undumpable   no picture of a process's memory that has seen card numbers
garbage      the garbage collector, told what a server is, and when it is made
settings     what a server is told, with units and bounds
telemetry    logs and metrics
threads      whose CPU the process uses
compiled     what Numba compiles, and keeps between starts
"""
