"""
Deterministic review: risk, BSA/AML rules, Regulation E. Each rule is a pure function from a dossier to findings, and
each finding cites its section; which of them raises which duty stands in `duties`.

Floor plan, in reading order:

movements   transfers between accounts of this home, as a graph
graph_file  a graph of transfers as a CSV file
graph       laundering patterns in a whole graph of transfers
assess        all that rules say of a dossier: one visible list
flags         what is flagged, and why
duties        which finding raises which duty, and by when
risk          risk on two scales; why a review is mandatory
sanctions     what hits, sanctioned countries and blocks mean
structuring   currency broken into amounts under the limit
currency      currency reports: by person and business day
travel_rule   what must go with a wire of 3,000 and more
suspicious    by who and where: large amounts of the high-rated, risky destinations of the exposed
patterns      rapid movement, round trips, fan-in and fan-out
cycles        money that comes back to where it started
activity      a dormant account that wakes, amounts far over what is usual
disclosures   what Regulation E has a consumer told
disputes      errors that a consumer told of: kept, with their clocks
regulation_e  liability limits and error-resolution clocks
countries     high-risk and sanctioned countries: dated, sourced
policy        the thresholds
wording       how findings tell amounts and dates
"""
