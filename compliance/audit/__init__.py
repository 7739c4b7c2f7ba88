"""
The audit log: what was done, by whom, and proof that it was not changed since; and how long anything is kept.

Floor plan, in reading order:

upkeep        checkpoints, the daily summary, retention: by the clock
retention     what is older than its period, deleted
holds         legal holds: placed, lifted, listed
log           what happened, appended
checkpointer  signs what the log holds, now and then, and lays it down in both places
proof         that one row is in the log, for a stranger who has the public key
verify        whether the log is what was appended and sealed, and where it is not
reading       the log as people read it
export        the whole log as a file
copies        the second place of checkpoints: a file that is only added to
signing       the key of checkpoints: Ed25519
walk          row by row over the log: what broke, and where
checkpoint    what a checkpoint says, and how it is written
chain         which bytes are hashed: the chain of rows, the tree of a checkpoint
"""
