"""
Scoring: how fast a card spends, how a request looks beside its history, how likely it is fraud.

train           a history in, a model with its manifest out
augment         what a history doesn't show a model: plain traffic, and missing fields
history         labelled histories as attempts: the public layouts that training reads
evaluate        how well scores tell fraud: the figures of a manifest
explain         why a score is what it is: in sentences, and as reason codes
registry        the models there are: folders named by version
model           a loaded model: scores, and what each feature adds to one
shapley         what each feature adds to the trees' sum: exact Shapley values (Numba)
forest          LightGBM's trees as flat arrays, and the walk down them (Numba)
manifest        what a model says of itself, and whether its files are what was trained
sentences       what a feature's value means, in a sentence, and the family it belongs to
reason_codes    a word for machines for each family of features
features        the features in one list, and the state behind them: one code trains and serves
feature_kernel  the features of an attempt from what came before; what labels teach (Numba)
habits          what a card usually does: one record of fixed size (Numba)
places          merchants and terminals, day by day: attempts and known frauds (Numba)
patterns        what attempts and frauds look like, all cards together (Numba)
country         how risky a country is
columns         the columns of a row of features
category        merchant category codes in a few groups
velocity        limits that an approval consumes: reserve, confirm, release (Numba)
windows         what a sliding window means, and the rings of buckets that keep it (Numba)
attempt         what scoring sees of a request: one record of plain numbers
"""
