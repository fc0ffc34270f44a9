"""Out of the topics: what people query is read, made into documents and written to a store.

Also the query side of the embedded store, its reports, and the ledger that shows from
receipts that nothing was lost. This room never produces anything but dead letters.
"""
