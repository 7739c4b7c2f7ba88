"""
Intake, queue, review: from what the server wrote to a review that is kept and a case that is open.

Floor plan, in reading order:

worker      claims what is due, has it reviewed, keeps what came of it; stops without losing anything
desk        one review, asked for by somebody
summary     what was flagged, reviewed and decided, by the day
kept        a review, its case, its audit rows and its place in the queue, in one transaction
reviewer    one dossier: screened, assessed, given its passages, analysed
intake      what the server has written, taken in exactly once and flagged by policy
enrichment  dossiers for a batch: customers, history, cash of the day, neighbours, what is usual
subjects    rows of PostgreSQL as the subjects of a review
parties     who is who: one key for one party, without a name in it
queue       what waits, who has claimed it, what was parked and why
schedule    when a failed review is tried again
counters    what the worker counts, for metrics
tables      what is looked up besides: codes, exchange rates
"""
