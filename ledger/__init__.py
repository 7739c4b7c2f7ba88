"""
The ledger: double-entry books for card money, by TigerBeetle's rules.

reconcile    what stands for each authorization, and where that differs from what should
movements    money in and out, and between accounts, as linked chains
chains       what becomes of a hold: moves on its parts, as linked chains
holds        what an authorization holds, lets go, or must never hold
proof        whether a ledger's balances follow from its history; whether ours are those of a recorded one
beside       a copy of an embedded ledger that another process has open
embedded     the embedded engine: one thread, group commit, answers after the disk
fold         a snapshot made beside the working engine, by a process of its own
tigerbeetle  the TigerBeetle engine: arrays down to the native client and up again, in order
search       how a cluster that doesn't answer is found again
native       TigerBeetle's client library by its C interface
replay       from snapshot and journal to the books as they were
journal      every batch on disk, in SQLite, before it is answered
write_ahead  SQLite's write-ahead log: on the disk beforehand, brought home beside the writer
snapshot     the books in one file, so that a start needs only the journal's tail
witness      what every account was after a batch, so that a restart proves itself
scans        requests with a filter, a slice at a time
state        the books in memory: the kernels' arrays, grown ahead of every batch
kernel       whole batches: linked chains, one result for each event (Numba)
retrace      what is stored, posted once more (Numba)
queries      which transfers or accounts a filter lets through (Numba)
expiry       when pending transfers time out (Numba)
rules        what one event does to the books, in TigerBeetle's order of precedence (Numba)
repeats      whether an event with a known id says the same again (Numba)
columns      the arrays that the books lie in, and the smallest moves on them (Numba)
log_check    whether SQLite's write-ahead log still has what was acknowledged (Numba)
room         arrays that grow where they lie
index        from u128 ids to rows (Numba)
wide         u128 arithmetic (Numba)
book         what every ledger engine answers to
exchange     one currency into another: rates, their age, and how an amount is rounded
chart        the chart of accounts: which accounts there are, and how an id reads
money        ISO 4217: numbers, names, minor units
transfer     the records and statuses, as TigerBeetle 0.17.9 lays them out
"""
