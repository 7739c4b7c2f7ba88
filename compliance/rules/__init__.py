"""
Deterministic review.

Floor plan, in reading order:

movements   transfers between accounts of this home, as a graph
graph_file  a graph of transfers as a CSV file
graph       laundering patterns in a whole graph of transfers
"""
