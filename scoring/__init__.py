"""Scoring: how fast a card spends, how a request looks beside its history, how likely it is fraud.

attempt     what scoring sees of a request: one record of plain numbers
windows     what a sliding window means, and the rings of buckets that keep it (Numba)
velocity    limits that an approval consumes: reserve, confirm, release (Numba)
"""
