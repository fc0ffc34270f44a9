"""The vocabulary of penstock: what travels on which topic, in which shape.

Events are frozen dataclasses, each paired with an Avro schema of the same fields.
This room knows bytes, schemas and columns; it never opens a connection to Kafka.
"""
