"""
Filings: reports to FinCEN and OFAC, from a case to the acknowledgement, and their clocks.

Floor plan, in reading order:

batch    reports of one form as one batch file
sar      form 111 as XML: a suspicious activity report
ctr      form 112 as XML: a currency transaction report
parties  who files and who is filed about, as XML
bank     what only the bank can say of itself
codes    codes of the forms, as the schemas' notes explain them
content  what a filing says, as plain values
"""
