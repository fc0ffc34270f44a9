"""Detectors of a rise in a stream of losses, from river, by name: the one door to that library.

A loss in [0, 1] goes in, in the order of predictions; out goes whether losses have risen. Every
parameter is spelled out. What falls is good news and never a detection, though some of these
would tell of both; some want 1 for an error and some for a correct answer, and each is fed what it
takes (a test holds each of them to known streams). Those that know errors only, not losses, take
a loss of one half and more for an error.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from river import drift
from river.drift import binary

DetectorName = Literal["adwin", "page_hinkley", "kswin", "ddm", "eddm", "fhddm", "hddm_a", "hddm_w"]
ERROR = 0.5


class LossDetector(Protocol):
    """Watches one stream; after a detection it goes on from there."""

    def observe(self, loss: float) -> bool:
        """Take in the next loss; whether losses have risen."""
        ...


class _InRiver(Protocol):
    """What is used of river's detectors, most of which have no types."""

    @property
    def drift_detected(self) -> bool: ...

    def update(self, x: float) -> object: ...


class _AdwinInRiver(_InRiver, Protocol):
    @property
    def estimation(self) -> float: ...


class Adwin:
    """Adaptive windowing (Bifet and Gavalda, 2007), which tells of falls too: those are dropped."""

    def __init__(self) -> None:
        self._river: _AdwinInRiver = drift.ADWIN(  # type: ignore[no-untyped-call]  # river has no types here
            delta=0.002, clock=32, max_buckets=5, min_window_length=5, grace_period=10
        )

    def observe(self, loss: float) -> bool:
        before = self._river.estimation
        self._river.update(loss)
        return bool(self._river.drift_detected) and self._river.estimation > before


class PageHinkley:
    """The cumulative test of Page (1954), upwards only."""

    def __init__(self) -> None:
        self._river: _InRiver = drift.PageHinkley(
            min_instances=30, delta=0.005, threshold=50.0, alpha=0.9999, mode="up"
        )

    def observe(self, loss: float) -> bool:
        self._river.update(loss)
        return bool(self._river.drift_detected)


class Kswin:
    """Kolmogorov and Smirnov's test on a sliding window (Raab et al., 2020), where the newest part is worse."""

    def __init__(self) -> None:
        self._newest: deque[float] = deque(maxlen=150)
        self._window: deque[float] = deque(maxlen=500)
        self._river: _InRiver = drift.KSWIN(alpha=0.0001, window_size=500, stat_size=150, seed=1)

    def observe(self, loss: float) -> bool:
        self._newest.append(loss)
        self._window.append(loss)
        self._river.update(loss)
        rose = sum(self._newest) * len(self._window) > sum(self._window) * len(self._newest)
        return bool(self._river.drift_detected) and rose


class OfErrors:
    """A detector that is told of each answer whether it was an error."""

    def __init__(self, river: _InRiver) -> None:
        self._river = river

    def observe(self, loss: float) -> bool:
        self._river.update(loss >= ERROR)
        return bool(self._river.drift_detected)


class Fhddm:
    """Hoeffding's bound on a sliding window (Pesaranghader and Viktor, 2016), which fires when correctness falls."""

    def __init__(self) -> None:
        self._river: _InRiver = binary.FHDDM(sliding_window_size=100, confidence_level=0.000001, short_window_size=None)

    def observe(self, loss: float) -> bool:
        self._river.update(loss < ERROR)
        return bool(self._river.drift_detected)


def _hddm_a() -> LossDetector:
    """Hoeffding's bound on the mean (Frias-Blanco et al., 2015), upwards only."""
    return OfErrors(
        binary.HDDMA(  # type: ignore[no-untyped-call]  # river has no types here
            drift_confidence=0.001, warning_confidence=0.005, two_sided_test=False
        )
    )


def _hddm_w() -> LossDetector:
    """The same on a weighted mean."""
    return OfErrors(
        binary.HDDMW(  # type: ignore[no-untyped-call]  # river has no types here
            drift_confidence=0.001, warning_confidence=0.005, lambda_val=0.05, two_sided_test=False
        )
    )


DETECTORS: Mapping[DetectorName, Callable[[], LossDetector]] = {
    "adwin": Adwin,
    "page_hinkley": PageHinkley,
    "kswin": Kswin,
    # The error rate itself (Gama et al., 2004), and the distance between errors (Baena-Garcia et al., 2006).
    "ddm": lambda: OfErrors(binary.DDM(warm_start=30, warning_threshold=2.0, drift_threshold=3.0)),
    "eddm": lambda: OfErrors(binary.EDDM(warm_start=30, alpha=0.95, beta=0.9)),
    "fhddm": Fhddm,
    "hddm_a": _hddm_a,
    "hddm_w": _hddm_w,
}
