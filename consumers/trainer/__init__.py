"""The trainer: from a request to retrain, and the outcomes that are stored, to a candidate on the shelf."""
