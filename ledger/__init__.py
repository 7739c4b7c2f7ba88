"""The ledger: double-entry books for card money, by TigerBeetle's rules.

holds       the life of a hold as chains of transfers
book        what every ledger engine answers to
chart       the chart of accounts: which accounts there are, and how an id reads
money       ISO 4217: numbers, names, minor units
transfer    the records and statuses, as TigerBeetle 0.17.9 lays them out
"""
