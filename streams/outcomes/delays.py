"""How long labels take, by true class, and how old a prediction must be before its labels are believed.

With delays that depend on the class, the labels that have come say little of those that will: the
naive error rate of what is labeled can be several times the true one. So the age to wait for is
the largest over true classes of that class's 95 % quantile, and delays are taken only from
predictions so old that no label is still to come within the longest wait; those of younger ones
would be the short ones alone. They are kept over all versions of a model, since they belong to
the world: a young version has its predecessors' quantiles.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import orjson

from streams.outcomes.disk import Disk, Writes, number_key, numbers_of

QUANTILE = 0.95
_OLD, _YOUNG = b"d", b"y"
_BIN_RATIO = math.log(1.05)
_LABELS_MIN = 100
_CLASS_LABELS_MIN = 20
_CLASS_LABELS_MAX = 20_000

Histogram = Counter[int]


def bin_of(delay_ms: int) -> int:
    """The bin of a delay; bins grow by 5 %, and the first is for anything up to 1 ms.

    >>> bin_of(-5), bin_of(1), bin_of(60_000), round(bin_end_ms(bin_of(60_000)))
    (0, 0, 226, 61487)
    """
    return 0 if delay_ms <= 1 else math.ceil(math.log(delay_ms) / _BIN_RATIO)


def bin_end_ms(number: int) -> float:
    """The longest delay of a bin."""
    return math.exp(number * _BIN_RATIO)


def quantile_ms(histogram: Histogram, quantile: float = QUANTILE) -> float:
    """The end of the bin in which the quantile lies; the longest delay where labels are few.

    >>> quantile_ms(Counter({bin_of(1_000): 95, bin_of(9_000): 5})) < 1_050
    True
    """
    total = histogram.total()
    wanted = total if total < _CLASS_LABELS_MIN else math.ceil(quantile * total)
    seen = 0
    for number in sorted(histogram):
        seen += histogram[number]
        if seen >= wanted:
            return bin_end_ms(number)
    return 0.0


class DelayHistory:
    """Delays by true class: of old predictions, and of younger ones by the start of their stretch."""

    def __init__(self, disk: Disk) -> None:
        (kept,) = disk.get_many([_OLD])
        found = {"before": None, "classes": {}} if kept is None else orjson.loads(kept)
        self._old: dict[str, Histogram] = _histograms(found["classes"])
        self._old_before: int | None = found["before"]
        self._young = {numbers_of(key)[0]: _histograms(orjson.loads(value)) for key, value in disk.scan(_YOUNG)}
        self._touched: set[int] = set()
        self._gone: list[int] = []
        self._old_touched = False

    def add(self, stretch: int, truth: str, delay_ms: int) -> None:
        """The first label of a prediction of the stretch that begins then."""
        is_old = self._old_before is not None and stretch < self._old_before
        histograms = self._old if is_old else self._young.get(stretch)
        if histograms is None:
            histograms = self._young[stretch] = {}
        histogram = histograms.get(truth)
        if histogram is None:
            histogram = histograms[truth] = Counter()
        histogram[bin_of(delay_ms)] += 1
        if is_old:
            self._old_touched = True
        else:
            self._touched.add(stretch)

    def grow_old(self, before: int) -> None:
        """Stretches that begin before that time have all the labels that are waited for.

        A class with many labels forgets half of them, so that delays may change.
        """
        if self._old_before is not None and before <= self._old_before:
            return
        self._old_before = before
        self._old_touched = True
        for stretch in sorted(each for each in self._young if each < before):
            for truth, histogram in self._young.pop(stretch).items():
                known = self._old.setdefault(truth, Counter())
                known.update(histogram)
                if known.total() > _CLASS_LABELS_MAX:
                    self._old[truth] = Counter({number: count // 2 for number, count in known.items() if count > 1})
            self._touched.discard(stretch)
            self._gone.append(stretch)

    def cutoff_ms(self, *, least_ms: int, most_ms: int) -> int:
        """How old a prediction must be; the most while too few old labels are known.

        >>> from streams.outcomes.memory_disk import MemoryDisk
        >>> DelayHistory(MemoryDisk()).cutoff_ms(least_ms=0, most_ms=86_400_000)
        86400000
        """
        if sum(histogram.total() for histogram in self._old.values()) < _LABELS_MIN:
            return most_ms
        slowest = max(quantile_ms(histogram) for histogram in self._old.values())
        return int(min(max(math.ceil(slowest), least_ms), most_ms))

    def stage(self, writes: Writes) -> None:
        """Add what the turn changes to a write."""
        if self._old_touched:
            writes.puts[_OLD] = orjson.dumps({"before": self._old_before, "classes": _plain(self._old)})
        for stretch in self._touched:
            writes.puts[number_key(_YOUNG, stretch)] = orjson.dumps(_plain(self._young[stretch]))
        writes.deletes += [number_key(_YOUNG, stretch) for stretch in self._gone]

    def written(self) -> None:
        """The turn is on disk."""
        self._touched.clear()
        self._gone.clear()
        self._old_touched = False


def _plain(histograms: Mapping[str, Histogram]) -> dict[str, list[tuple[int, int]]]:
    return {truth: sorted(histogram.items()) for truth, histogram in histograms.items()}


def _histograms(found: Mapping[str, Sequence[tuple[int, int]]]) -> dict[str, Histogram]:
    return {truth: Counter(dict(bins)) for truth, bins in found.items()}
