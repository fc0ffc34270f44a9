"""The shelf: model versions as bundles that are checked before they are believed.

The one room that knows scikit-learn and skops. Rows come in as Arrow columns and scores go
out; no pickle is ever loaded.
"""
