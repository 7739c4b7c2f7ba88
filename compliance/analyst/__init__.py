"""
The analyst: a language model that is asked without a name in it, and believed only where the record bears it out.

Floor plan, in reading order:

analyst    asked, checked, never below the rules
by_rules   the rules' own analysis
narrative  a draft of who, what, when, where, why and how
sections   sections of law: read out of text, matched with passages
wording    amounts, dates and strangers' texts as an analysis writes them
config     which model, and within which limits
"""
