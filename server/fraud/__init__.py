"""
What goes on about fraud beside the answer path: labels taken in; models followed and swapped, watched, and taken back
where they fail.

Floor plan, in reading order:

labels     what became known of authorizations: checked, kept, handed to the core
oversight  the models and what watches them, put together for the server
floor      the champion's recall on fresh labels; a rollback by itself
drift      how far requests, scores and approvals have moved from the reference
shadow     shadow models' scores of the same traffic, kept for comparison
onlookers  what was decided, for those who look on: a bounded queue
watch      the models in use, as the register says: loaded, warmed, handed over
"""
