"""How long requests took: from being sent to a prediction that others can read."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

WINDOW = 20_000


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile, None of nothing.

    >>> percentile([4.0, 1.0, 3.0, 2.0], 0.5), percentile([4.0, 1.0, 3.0, 2.0], 0.99), percentile([], 0.5)
    (2.0, 4.0, None)
    """
    if not values:
        return None
    ranked = sorted(values)
    return ranked[min(int(max(share * len(ranked) - 1e-9, 0.0)), len(ranked) - 1)]


@dataclass(slots=True)
class Latencies:
    """Times of requests under way by id, and how long the last `WINDOW` answered ones took, in seconds."""

    under_way: dict[str, float] = field(default_factory=dict)
    answered_s: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    answered: int = 0
    repeated: int = 0

    def sent(self, request_id: str, now: float) -> None:
        """A request goes out at `now` (monotonic seconds)."""
        self.under_way[request_id] = now

    def read(self, request_id: str, now: float) -> None:
        """A prediction was read; a second one for the same request is a repeat."""
        sent_at = self.under_way.pop(request_id, None)
        if sent_at is None:
            self.repeated += 1
            return
        self.answered += 1
        self.answered_s.append(now - sent_at)

    def percentiles_ms(self) -> tuple[float | None, float | None]:
        """p50 and p99 in milliseconds."""
        values = list(self.answered_s)
        p50, p99 = percentile(values, 0.5), percentile(values, 0.99)
        return (None if p50 is None else p50 * 1000, None if p99 is None else p99 * 1000)
