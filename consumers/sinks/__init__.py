"""Stores for documents behind one port: in memory for tests, SQLite for the embedded stack."""
