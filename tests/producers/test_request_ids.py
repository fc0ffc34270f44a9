"""Request ids: RFC 9562's version 7, ascending whatever the clock does."""

import random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from producers.request_ids import RequestIds, uuid7
from runtime.clock import FixedClock


def test_the_fields_are_where_the_standard_puts_them() -> None:
    """The example of RFC 9562, appendix A.6, comes out."""
    assert uuid7(0x017F22E279B0, 0xCC3, 0x18C4DC0C0C07398F) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@given(steps=st.lists(st.integers(min_value=-5_000, max_value=5_000), max_size=200), seed=st.integers())
def test_ids_ascend_strictly_whatever_the_clock_does(steps: list[int], seed: int) -> None:
    """A clock that stands or steps back makes no id smaller than, or equal to, one before."""
    clock = FixedClock(1_600_000_000_000)
    ids = RequestIds(clock, random.Random(seed))
    made = []
    for step in steps:
        clock.ms += step
        made.append(ids.new())

    assert made == sorted(set(made))
    assert {(UUID(each).version, UUID(each).variant) for each in made} <= {(7, "specified in RFC 4122")}


def test_more_ids_than_the_counter_holds_borrow_the_next_millisecond() -> None:
    """Ten thousand ids of one millisecond are all different and in order."""
    ids = RequestIds(FixedClock(1_600_000_000_000), random.Random(1))
    made = [ids.new() for _ in range(10_000)]

    assert made == sorted(set(made))


def test_the_time_can_be_read_back() -> None:
    """The first 48 bits are the clock's milliseconds."""
    made = RequestIds(FixedClock(1_364_806_800_000), random.Random(1)).new()

    assert UUID(made).int >> 80 == 1_364_806_800_000
