"""
What goes on beside the answer path: models followed and swapped, watched, and taken back where they fail.

Floor plan, in reading order:

watch      follows the register of models: loads, warms, hands over
floor      the champion's recall on fresh labels; a rollback by itself
onlookers  what was decided, for those who look on: a bounded queue
shadow     shadow models' scores of the same traffic, kept for comparison
drift      how far requests, scores and approvals have moved from the reference
"""
