"""Prometheus's own tool for configuration, where it is installed; where it is not, that is said loudly."""

import shutil

import pytest

NOT_CHECKED = pytest.StashKey[set[str]]()
TO_INSTALL = "promtool (Debian: prometheus)"


def promtool(config: pytest.Config) -> str:
    """The path of promtool; skips the test where there is none, and has it said at the end of the run."""
    found = shutil.which("promtool")
    if found is None:
        config.stash[NOT_CHECKED].add(TO_INSTALL)
        pytest.skip(f"needs {TO_INSTALL}")
    return found
