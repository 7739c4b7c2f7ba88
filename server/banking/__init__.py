"""
Banking: accounts opened and closed, money in and out. Between the services and what PostgreSQL and the ledger keep.

Floor plan, in reading order:

upkeep       in the background: what a crash or an absent ledger left open is carried to its end
transfers    money in and out: asked for, reviewed, decided, reversed
pricing      what leaves the payer and reaches the payee, and what that is worth
accounts     opened, closed, lent to; what is on them
statement    what happened on an account, page by page
books        the ledger's accounts of a holder, made and read
review       which transfers wait for somebody's decision
records      what the law wants known of a transfer
identifiers  routing numbers, IBANs, BICs
states       the states of a transfer, drawn as a state machine
refusals     why something can't be done
"""
