"""Topics that join a running lane on the embedded broker: nothing that runs is held up or done twice."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from runtime.errors import RoleTakenError
from runtime.settings import KafkaSettings
from runtime.sole_process import sole_process
from tests.runtime.lane_parts import SOURCE, TARGET, CopyStep, embedded_kafka, eventually, running_lane, send, values_in

pytestmark = pytest.mark.wire


@dataclass(slots=True)
class GrowingStep(CopyStep):
    """Subscribes to more and more topics."""

    models: int = 0

    def topics(self) -> Collection[str]:
        return (SOURCE, *(f"new-{number}.requests" for number in range(self.models)))


def test_new_topics_do_not_make_a_lane_repeat_or_wait(tmp_path: Path) -> None:
    """Records that come while topics join are copied once, each within a fraction of a rebalance's seconds."""
    step = GrowingStep()
    sent: list[str] = []
    slowest_s = 0.0
    with embedded_kafka() as kafka, running_lane(kafka, step, tmp_path):
        for round_number in range(4):
            step.models += 1
            sent += (records := [f"{round_number}-{number}" for number in range(50)])
            started = time.monotonic()
            send(kafka, records)
            assert eventually(partial(_copied, kafka, len(sent)))
            slowest_s = max(slowest_s, time.monotonic() - started)
        copied = sorted(value.decode() for value in values_in(kafka, TARGET))

    assert sorted(sent) == copied
    assert slowest_s < 4.0


def test_a_role_has_one_process_on_the_embedded_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a group two scorers would read the same records; the second is told so."""
    monkeypatch.setattr("runtime.sole_process.EARLIER_ENDS_S", 0.1)
    with sole_process(tmp_path / "run", "scorer"):
        with pytest.raises(RoleTakenError, match="a scorer already runs"), sole_process(tmp_path / "run", "scorer"):
            pass
        with sole_process(tmp_path / "run", "sink"):
            pass
    with sole_process(tmp_path / "run", "scorer"):
        pass


def _copied(kafka: KafkaSettings, records: int) -> bool:
    return len(values_in(kafka, TARGET)) >= records
