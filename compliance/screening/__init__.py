"""
Sanctions screening: official lists in, names held against them, every hit explained token by token.

Floor plan, in reading order:

counterparties  the other sides of recent transfers held against what lists have changed
customers   customers held against the lists when they come, when they change, and when lists change
exceptions  who was cleared of which entry, by whom, why and until when
lists       the lists in force, read from PostgreSQL and switched as one
register    editions of lists: imported, refused, compared with the one before
screener    a name beside the index: hits, best first
blocking    which hits block with nobody looking first
scoring     one name beside one listed name, token by token
agreeing    birth dates and countries: what they add or take away
index       listed names by token, by sound and by letters left out
reading     files told apart by what is in them
un          the Security Council's XML
ofac        the Treasury's sdn, alt and add files
places      country names as lists write them
words       a name as tokens: transliterated, folded, weighed
entries     an entry of a list
"""
