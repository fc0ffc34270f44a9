"""Proof on real servers, and the harness that starts them; it also serves people who want a real broker."""
