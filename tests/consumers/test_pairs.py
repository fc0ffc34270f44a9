"""Two versions on the same requests, paired out of each kind of store with the same figures."""

from dataclasses import replace
from pathlib import Path

import pytest

from consumers.documents import prediction_document
from consumers.pairs import PairsOfVersion, pairs, shadow_count
from consumers.sinks.base import FieldValue
from tests.consumers.stored import APRIL, BOTH, both_stores, prediction

HOUR_MS = 3_600_000


def shadow(number: int, *, score: float, label: str = "0", version: str = "3") -> dict[str, FieldValue]:
    return prediction(number, role="shadow", version=version, arm="backfill", score=score, label=label)


@pytest.mark.parametrize("kind", BOTH)
def test_differences_by_live_version(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Only requests that both have scored count, within the span, and of the version that was asked about."""
    live = [prediction(number, version="1" if number < 6 else "2") for number in range(10)]
    others = [shadow(number, score=0.25) for number in range(4)]
    others += [shadow(4, score=0.75, label="1"), shadow(7, score=0.0), shadow(9, score=0.5), shadow(20, score=0.5)]
    others += [shadow(5, score=0.9, version="4")]
    sink, store, let_be_found = both_stores(kind, request, tmp_path)
    sink.setup()
    rejected = sink.write([prediction_document(each, cluster_id="c", personal=frozenset()) for each in live + others])
    sink.close()
    let_be_found()
    span = {"since": APRIL, "until": APRIL + 9 * HOUR_MS}

    assert shadow_count(store, "flights", "3", **span) == 6
    assert pairs(store, "flights", "5", **span) == []
    found = [
        replace(
            each, difference_mean=round(each.difference_mean, 9), difference_abs_p99=round(each.difference_abs_p99, 9)
        )
        for each in pairs(store, "flights", "3", **span)
    ]

    assert rejected == []
    assert found == [
        PairsOfVersion(
            live_version="1",
            requests=5,
            difference_mean=0.1,
            difference_abs_p50=0.0,
            difference_abs_p99=0.48,
            difference_abs_max=0.5,
            same_label=0.8,
        ),
        PairsOfVersion(
            live_version="2",
            requests=1,
            difference_mean=-0.25,
            difference_abs_p50=0.25,
            difference_abs_p99=0.25,
            difference_abs_max=0.25,
            same_label=1.0,
        ),
    ]
