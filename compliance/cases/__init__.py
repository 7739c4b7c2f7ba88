"""
Cases: what somebody has to look at, as a state machine; who decides what, and what that does.

Floor plan, in reading order:

trail     everything on record about one transaction, in order of time
desk      what people do with cases: each call one transaction
changes   what is new since a position, without gaps
reading   what can be seen of cases, by whom
filed     what was filed for a case, as whoever files tells it
steps     one step of a case: its row held, the event and the audit row beside it
acting    what a decision does: transfers, cards, customers, labels
opening   cases opened: exactly one for one flagged transfer
reviewed  the newest review of what a case is about, as it may be seen
records   a case, its steps and its evidence, as they are kept and shown
clocks    by when a case must be decided
states    the states and their arrows; what a decision may say, and what comes after it
refusals  what a desk refuses, and why
"""
