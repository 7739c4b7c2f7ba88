"""
What goes on beside the answer path: models followed and swapped, watched, and taken back where they fail.

Floor plan, in reading order:

oversight  all of it, put together for the server
floor      the champion's recall on fresh labels; a rollback by itself
drift      how far requests, scores and approvals have moved from the reference
shadow     shadow models' scores of the same traffic, kept for comparison
onlookers  what was decided, for those who look on: a bounded queue
watch      the models in use, as the register says: loaded, warmed, handed over
"""
