"""The front door: the `penstock` command and what runs a stack on this machine.

Imports every other room and is imported by none.
"""
