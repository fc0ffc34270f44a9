"""Into the topics: requests, labels and commands, paced and with every delivery accounted for.

    from producers import RequestProducer

Rooms meet only at topics: nothing here imports `streams` or `consumers`.
"""
