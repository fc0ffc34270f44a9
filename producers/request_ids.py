"""Request ids as UUIDv7: ordered by time, so that stores and joins touch their newest end only.

Layout after RFC 9562 (Davis, Peabody, Leach: Universally Unique IDentifiers, 2024), section 5.7:
48 bits of Unix milliseconds, version, 12 bits of counter (method 1 of section 6.2), variant,
62 random bits. Clock and randomness are passed in.
"""

import random
from uuid import UUID

from runtime.clock import Clock

_COUNTER_END = 1 << 12
_COUNTER_SEED_BITS = 11
_TAIL_BITS = 62


class RequestIds:
    """Makes ids that ascend strictly, also within a millisecond and when the clock steps back.

    >>> from runtime.clock import FixedClock
    >>> ids = RequestIds(FixedClock(1_645_557_742_000), random.Random(7))
    >>> first, second = ids.new(), ids.new()
    >>> first[:13], first[14], first < second
    ('017f22e2-79b0', '7', True)
    """

    def __init__(self, clock: Clock, chance: random.Random) -> None:
        self._clock = clock
        self._chance = chance
        self._ms = -1
        self._counter = 0

    def new(self) -> str:
        """The next id, in the usual 36 characters."""
        now_ms = self._clock.now_ms()
        if now_ms > self._ms:
            self._start(now_ms)
        else:
            self._counter += 1
            if self._counter == _COUNTER_END:
                self._start(self._ms + 1)
        return uuid7(self._ms, self._counter, self._chance.getrandbits(_TAIL_BITS))

    def _start(self, ms: int) -> None:
        """A new millisecond; the counter's upper bit stays free, so that it has room to count."""
        self._ms = ms
        self._counter = self._chance.getrandbits(_COUNTER_SEED_BITS)


def uuid7(ms: int, counter: int, tail: int) -> str:
    """Put the fields of a UUIDv7 together.

    >>> uuid7(0x017F22E279B0, 0xCC3, 0x18C4DC0C0C07398F)
    '017f22e2-79b0-7cc3-98c4-dc0c0c07398f'
    """
    assert 0 <= ms < 1 << 48, f"{ms} ms does not fit 48 bits"
    assert 0 <= counter < _COUNTER_END, f"counter {counter}"
    assert 0 <= tail < 1 << _TAIL_BITS, f"tail {tail}"
    value = ms << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | tail
    return str(UUID(int=value))
