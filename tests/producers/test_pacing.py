"""Pacing: an open schedule, and lag from where groups stand."""

from hypothesis import given
from hypothesis import strategies as st

from producers.holdback import lag_bytes_max
from producers.pacing import due_at_s
from runtime.group_lag import PartitionLag


@given(sent=st.integers(min_value=0, max_value=10**9), rate=st.floats(min_value=0.01, max_value=1e6))
def test_the_schedule_never_exceeds_the_rate(sent: int, rate: float) -> None:
    """Record n is due n / rate seconds after the start, late ones do not move it."""
    assert due_at_s(sent, rate) * rate <= sent * (1 + 1e-9)


def test_without_a_rate_everything_is_due_at_once() -> None:
    """As fast as the broker takes it."""
    assert due_at_s(10**6, None) == 0.0


def test_the_partition_that_is_furthest_behind_counts() -> None:
    """What was deleted, and what was never committed, is not counted twice."""
    nothing_committed = PartitionLag(partition=0, committed=-1001, log_start=40, log_end=100)
    ahead = PartitionLag(partition=1, committed=120, log_start=0, log_end=100)

    assert nothing_committed.records == 60
    assert ahead.records == 0
    assert lag_bytes_max([nothing_committed, ahead], 10.0) == 600
