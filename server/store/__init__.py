"""
What is kept in PostgreSQL, beside the answer path: the directory's tables, and the decisions for people to read.

transfers       money in and out, written before the ledger is asked
outcomes        what became of scored authorizations: for a champion's floor, and beside a shadow's scores
register        the fraud models: which versions, in which state, moved by whom
rates           exchange rates by day: imported, read, followed
holdings        accounts as the services open, read and close them
cards           one card: issued, listed, shown, frozen
accounts        one account, beside its balance
customers       one customer: added, shown masked, changed
limits          limits of programmes, accounts and cards: set, listed, retired
rules           rules: drafted, tried on paper, made live, retired
blocks          block lists, line by line: written, lifted
programmes      what programmes answer while the ledger is away, and what stand-in approved
pan_keys        PAN keys as they rotate: cards under each, and cards moving to a new one
lifecycle       the life of limits, rules and lines, drawn as a state machine; who moved what, and when
portfolio       customers, accounts and cards by the thousand; the demo
directory_feed  the directory's rows as arrays, at the start and as they change
conditions      what a rule says: as written, as kept, as the core reads it
decided         decisions as a backtest reads them, and what is in force
labelled        authorizations with what became known of them, as training reads them
labels          what became known of authorizations: told, handed to the core, looked up
standings       what should stand in the ledger for each authorization
shipping        the shipper as a process of its own
shipped         one decision as it is kept, found again by its authorization's id
shipper         the decision journal as rows of `authorizations`, exactly once
bell            wakes whoever waits for a notification
database        the pool of connections, the version, the schema's steps
queries         named SQL from queries.sql and migrations/
postgres        the embedded server, and what can be wrong with any
binary_copy     PostgreSQL's binary COPY as arrays, out and in
masking         names and numbers as they are shown
"""
