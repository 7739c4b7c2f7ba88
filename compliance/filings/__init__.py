"""
Filings: reports to FinCEN and OFAC, from a case to the acknowledgement, and their clocks.

Floor plan, in reading order:

desk             prepare, read, edit, approve, withdraw; what is due
dispatch         approved filings into batch files, FinCEN's answers back onto them
shelf            filings as PostgreSQL keeps them
record           reads what a report is drafted from
drafts           from what is known of a case to a report of each form
narrative        who, what, when, where, why and how
cash             cash of one business day by person, over accounts and branches
material         what a report is drafted from, as plain values
profiles         what filings ask of a customer beyond the directory
lacks            what a filing lacks, by setting and field
clocks           by when what must be filed
validation       a batch held against its schema and the form's own rules
form_rules       what the forms ask beyond their schemas
acknowledgement  what FinCEN answers to a batch
blocked          a report on blocked property, as text
batch            reports of one form as one batch file
sar              form 111 as XML: a suspicious activity report
ctr              form 112 as XML: a currency transaction report
schemas          FinCEN's schemas in this home
parties          who files and who is filed about, as XML
documents        XML that strangers wrote, parsed safely
outbox           files that go out: whole, for their owner's eyes, never over another
states           where a filing stands
bank             what only the bank can say of itself
codes            codes of the forms, as the schemas' notes explain them
content          what a filing says, as plain values
"""
