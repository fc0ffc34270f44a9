"""Requests in, predictions out: routing, validating and scoring whole batches."""
