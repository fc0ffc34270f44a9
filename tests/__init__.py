"""Proof that penstock keeps its promises: pure, on the mock cluster, and on real servers."""
