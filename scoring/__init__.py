"""
Scoring: how fast a card spends, how a request looks beside its history, how likely it is fraud.

train            a history in, a model with its manifest out
report           a model and a history on one page of HTML that a risk officer can read
examine          a model put to a history: its scores, and how well they tell fraud
grow             trees from a lesson: the one place that knows LightGBM's package
augment          what a history doesn't show a model: plain traffic, and missing fields
backtest         a history decided again, with other limits or scores
passage          a history on its way through the features, as the server would have seen it
history          labelled histories: transactions in order of time, with what became of each
layout           Holdfast's own layout of a history, documented column by column
public_layouts   Sparkov's and the Handbook's files as the server sees them when they are replayed
outlet           who sells, as a request names them, in histories that know a name and no more
transactions     what a file of transactions gives, whatever its layout
table            Parquet in and out, each column checked: what is wrong is named by column and row
thresholds       where to decline and where to ask for more: what would have cost least
calibrate        probabilities out of log-odds
explain          why a score is what it is: in sentences, and as reason codes
registry         the models there are: folders named by version, and the states of each
floor            how much of the fraud a champion must find on fresh labels
drift            how far requests have moved from what the model learnt: PSI
evaluate         how well scores tell fraud: the figures of a manifest
model            a loaded model: scores, and what each feature adds to one
shapley          what each feature adds to the trees' sum: exact Shapley values (Numba)
forest           LightGBM's trees as flat arrays, and the walk down them (Numba)
manifest         what a model says of itself, and whether its files are what was trained
sentences        what a feature's value means, in a sentence, and the family it belongs to
reason_codes     a word for machines for each family of features
features         the features in one list, and the state behind them: one code trains and serves
feature_kernel   the features of an attempt from what came before; what labels teach (Numba)
habits           what a card usually does: one record of fixed size (Numba)
places           merchants and terminals, day by day: attempts and known frauds (Numba)
patterns         what attempts and frauds look like, all cards together (Numba)
country          how risky a country is
columns          the columns of a row of features
category         merchant category codes in a few groups
velocity         what each subject did lately, and limits that an approval consumes: admit, retrace
velocity_kernel  what came before a request, whether it passes a limit, what it leaves behind (Numba)
velocity_rows    the rows of the five subjects: found, laid open, claimed and written back (Numba)
calendar_sums    sums of the current and the previous calendar day and month of each row (Numba)
limit            what a limit is, and what a judged request is told of it
seen             the distinct values that a row has seen (Numba)
cells            the cells of a row: what happened in its windows (Numba)
roster           which row a 64-bit key has, among a bounded number of rows (Numba)
pool             a pool of chunks in which each row keeps a list of any length (Numba)
room             arrays that grow where they lie
windows          what a sliding window means: said once
attempt          what scoring sees of a request: one record of plain numbers
"""
