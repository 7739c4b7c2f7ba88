"""
Cases: what somebody has to look at, as a state machine; who decides what, and what that does.

Floor plan, in reading order:

opening  cases opened: exactly one for one flagged transfer
clocks   by when a case must be decided
states   the states and their arrows; what a decision may say, and what comes after it
"""
