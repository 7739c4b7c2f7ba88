"""
The audit log: what was done, by whom, and proof that it was not changed since.

Floor plan, in reading order:

log    what happened, appended
chain  which bytes are hashed: the chain of rows, the tree of a checkpoint
"""
