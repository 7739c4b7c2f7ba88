"""
The core: one thread that owns all changing state. A batch of requests goes in, every one comes out answered, on disk.

Floor plan, in reading order, the way of a request:

warm_up         every kernel and array touched before the first customer
recovery        after a crash: the state that was, and a decision for every intent without one
keeper          snapshots while the server runs, and a journal that does not grow for ever
fold            the process that makes such a snapshot
booking         what stand-in approved, brought into the ledger on its return
expiry          holds whose time is over, let go
authorizer      the spine: the list of stages
disown          answers that fronts gave in the core's stead, taken over
turn            the batch under way, and whom each request belongs to
waiting         what waits for a turn, and when the first of it is due
answers         from what the ledger said to the whole answer
timing          how long turns, their stages and answers take, in histograms
lifecycle       increments, reversals, advices, clearings, expiries: their stages
chains          moves on holds, carried out in the ledger until they are done
moves           what each message about an authorization asks of the ledger, and its answer
state           what the core remembers, its snapshot, and how the journal rebuilds it
repeats         the first answer to every key, and the life of every authorization
parts           what an authorization holds, and what a decision does to it
controls        what a card, its programme and the block lists allow
limits          what an approval consumes, reserved
risk            features and the score
attempts        what scoring and limits see of a request
rules           what an issuer decides beside the score: conditions, declined, stepped up or flagged
stand_in        what may be approved while the ledger is away, and what has been, by card and day
books           the holds of a batch as one ledger request
journal         intents and decisions on disk
journal_reader  and read back
packing         records without their zero bytes
formats         older formats of them, brought to today's
entries         the entries of the table of repeats, drawn as a state machine; their index
explain         every check of a decided intent, with its inputs
directory_file  the directory as a file, for starts without PostgreSQL
directory       cards, accounts, programmes as columns, with a compiled index
card_index      from a card's keys to its row (Numba)
block_lists     what is blocked, or counted as if, in one table (Numba)
limit_sets      the limits of programmes, and what accounts and cards have instead
names           limits and rules by the numbers that records carry
snapshot        arrays in one file, with a version and a checksum
rates           amounts in another currency (Numba)
pace            how much time what waits will take
parcel          what fronts hand over, and what may be said instead of an answer
policy          from failed checks to one response code: the table in order of precedence
calendar        days and months of a programme's time zone
labels          what became known of an authorization, as a message of the core's own
deadline        how long an answer may take, and what is left of it
record          one fixed-size record per request, intent and decision: start here
"""
