"""How long to wait after a failure: doubling, bounded in length and in number."""

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Backoff:
    """Waits of `first_s`, doubling up to `most_s`; the failure after `failures_max` is raised.

    >>> backoff = Backoff(first_s=0.1, most_s=0.3, failures_max=9)
    >>> [backoff.failed(ValueError()) for _ in range(4)]
    [0.1, 0.2, 0.3, 0.3]
    """

    first_s: float
    most_s: float
    failures_max: int
    _failures: int = field(default=0, init=False)

    def failed(self, error: BaseException) -> float:
        """Seconds to wait before the next try; raises `error` when there were too many."""
        self._failures += 1
        if self._failures > self.failures_max:
            raise error
        return min(self.first_s * 2.0 ** min(self._failures - 1, 60), self.most_s)

    def succeeded(self) -> None:
        self._failures = 0
