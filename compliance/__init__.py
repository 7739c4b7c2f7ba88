"""
Compliance: behind the answer. What was flagged is reviewed by rules, lists, policies and an analyst whose every claim is
checked; a case for a human; filings that validate; a log that can't be changed unseen.

Knows neither server, ledger nor scoring: the database, the seals of personal data and the clock are handed in.

Floor plan, in reading order:

review     what is flagged; claimed, reviewed, kept: the worker
filings    SAR and CTR batches, what was acknowledged, and their clocks
cases      cases as a state machine; who decides what, and what that does
analyst    an LLM's analysis: asked for without a name in it, every claim checked
policies   the policy library: imported, split, searched
screening  sanctions lists: imported, indexed, matched, explained
rules      risk, BSA/AML rules, Regulation E: each with its section
audit      the log: hash-chained, checkpointed, verified; retention
results    what a review comes to: risk, findings, hits, passages, duties, the analysis
facts      what a review starts from: the flagged transfer, its customer, what went before
roles      who may do what
calendar   business days of the Federal Reserve
ports      what is handed in: the database, the seals, named SQL
"""
