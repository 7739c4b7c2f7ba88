"""
The analyst: a language model that is asked without a name in it, and believed only where the record bears it out.

Floor plan, in reading order:

golden     golden cases: dossiers with the duties that the law asks for, and how well they are met
analyst    asked within its limits, checked, never below the rules
asking     one request to a model, by the openai SDK
purse      the day's budget and the answers that are kept
breaker    a provider that fails is left alone for a while
retries    when a request is made again
checking   an answer beside the record: what stands, what is struck
claims     one claim beside the record
record     what may be said: amounts, dates, counts, pseudonyms
prompt     what is sent: task, sections, record, a stranger's text between marks
answer     the shape of an answer
aliases    pseudonyms instead of names and accounts, put back after
folding    text as a reader sees it, whatever it is spelled with
vocabulary  words of payments' purposes that may be sent
by_rules   the rules' own analysis
narrative  a draft of who, what, when, where, why and how
sections   sections of law: read out of text, matched with passages
wording    amounts, dates and strangers' texts as an analysis writes them
config     which model, and within which limits
"""
