"""Times as text, whatever the millisecond."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.sinks.shape import time_text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)
FIRST = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // MS
LAST = (datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC) - EPOCH) // MS


@given(st.integers(FIRST, LAST))
def test_a_time_is_its_iso_text(ms: int) -> None:
    """Before the epoch too, always with milliseconds and a Z."""
    expected = (EPOCH + ms * MS).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    assert time_text(ms) == expected


@pytest.mark.parametrize("ms", [FIRST - 1, LAST + 1, 1 << 62, -(1 << 62)])
def test_a_time_outside_the_calendar_is_refused(ms: int) -> None:
    """Nothing wraps."""
    with pytest.raises(OverflowError):
        time_text(ms)
