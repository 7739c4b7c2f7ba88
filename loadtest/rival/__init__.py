"""
What a user would pick instead: a straightforward asyncio server of the same contract, to measure Holdfast beside.

Written as a competent engineer would in a week, with the usual parts and none of their pitfalls: one round trip of
pipelined counters to Redis, one pooled connection and one short transaction of PostgreSQL (`SELECT … FOR UPDATE`, so that
two payments can't spend the same money), prepared statements, uvloop, `Booster.predict` on one thread with the model that
Holdfast ships, repeats by a unique key. What it leaves out, and Holdfast does, is in its favour: limits and rules, most
features (NaN to the model), reversals, a second ledger entry, recovery, compliance. Its answers are durable, as Holdfast's
are: PostgreSQL commits with `synchronous_commit` on. Its Redis writes nothing to disk.

Floor plan, in reading order:

server    the gRPC server: unary and Link; `python -m loadtest.rival.server`
decision  one authorization from request to answer
score     a few features, and the model's word on them
counters  how fast a card and a merchant spend, in Redis
accounts  balances in PostgreSQL, locked by the row
"""
