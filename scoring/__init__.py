"""Scoring: how fast a card spends, how a request looks beside its history, how likely it is fraud.

features        the features in one list, and the state of each card: one code trains and serves
feature_kernel  the features of an attempt from what came before (Numba)
category        merchant category codes in a few groups
velocity        limits that an approval consumes: reserve, confirm, release (Numba)
windows         what a sliding window means, and the rings of buckets that keep it (Numba)
attempt         what scoring sees of a request: one record of plain numbers
"""
