"""Time as an input: processes pass a `SystemClock`, tests a `FixedClock`."""

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Wall time in milliseconds since the epoch, UTC."""

    def now_ms(self) -> int: ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


@dataclass(slots=True)
class FixedClock:
    """A clock that stands where it is put."""

    ms: int = 0

    def now_ms(self) -> int:
        return self.ms
