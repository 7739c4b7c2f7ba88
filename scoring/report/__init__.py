"""
The report of a model on a labelled history: one HTML page that a risk officer can read, print and file away.

It needs nothing beside itself: no script, no network, no font; charts are drawn as SVG, each with its table.

page              the page: chapters from figures, escaped and put into page.html with page.css
chapters          the chapters in reading order, the first and the last of them
insight           chapters on why scores are what they are: features, the worst and slowest examples
fairness          the chapter on people: who is wrongly stopped, or left unprotected, more often
traffic           chapters on parts of the traffic: kinds of fraud, cards, weeks
comparison        chapters beside other ways to score: champion and shadow models, simple rules
performance       chapters on how well scores tell fraud, whether they mean what they say, what that saves
chapter           what a chapter is made of, and what several chapters speak of
threshold_charts  charts over all thresholds: what is caught, who is disturbed, what that saves
score_charts      charts over scores: whether they mean what they say, and where they lie
rate_charts       charts of one figure for each of several: weeks, groups, features
axes              what the charts share: keys, the stretched axis of scores, round ticks
plot              one chart as SVG: scales, axes, lines, bars, dots and intervals
tables            what stands behind a chart: a caption, a header, rows of text
wording           numbers as people read them: shares, counts, money, times
examples          what a score got most wrong, what took longest, and which features move scores
weeks             the same figures week by week
groups            the same figures for parts of the traffic: scenarios, cards, age bands, regions
curve             what any threshold would catch and wrongly stop, in transactions and in money
examined          what a model made of a history, as a report takes it
simple_rules      rules of thumb that a model must beat
groupings         which part of the traffic a transaction belongs to, as its files tell
scored            a history and its scores: what a report is made from
"""
