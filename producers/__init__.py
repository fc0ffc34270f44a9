"""Into the topics: requests, labels and commands, paced and with every delivery accounted for.

`producers.requests.RequestProducer` publishes requests, `producers.labels.LabelProducer` labels,
`producers.commands.CommandProducer` commands. Rooms meet only at topics: nothing here imports
`streams` or `consumers`.
"""
