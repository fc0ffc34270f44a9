"""The trainer as a process of the stack: it is started with it, answers, and is killed in the middle of a fit."""

import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Producer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from consumers.documents import cohort_document, outcome_document
from consumers.sinks.base import Document, FieldValue
from consumers.sinks.sqlite import SqliteSink
from penstock import wiring
from registry.shelf import Shelf
from runtime.kafka import SYSTEM_PARTITION, build_producer
from runtime.process import wait_until
from runtime.settings import Settings, load_settings
from runtime.stack import attach
from schemas.events import Cohort, ModelEvent
from schemas.topics import MODEL_EVENTS
from tests.consumers.stored import APRIL, outcome
from tests.penstock.models import register, sample
from tests.stack import PenstockProcess, command_line, descendants, kill_quietly, running_stack

pytestmark = pytest.mark.wire

MODEL = "shop"
HOUR_MS = 3_600_000
ROWS = 3_000
DEADLINE_S = 120.0


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[PenstockProcess]:
    """A stack with version 1 of a model, and outcomes from when it was wrong about everything."""
    data_dir = tmp_path / "data"
    # Slow enough to be killed in the middle of a fit.
    register(data_dir, MODEL, make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=150)))
    with running_stack(data_dir) as running:
        fill_store(load_settings(data_dir=data_dir))
        yield running


def fill_store(settings: Settings) -> None:
    frame = sample(ROWS, seed=3)
    sink = SqliteSink(settings.store_path)
    sink.setup()
    rows = frame.itertuples(index=False)
    assert sink.write([*(document(number, *row) for number, row in enumerate(rows)), closed()]) == []
    sink.close()


def document(number: int, amount: float, age: float, visits: float, late: int) -> Document:
    features: dict[str, FieldValue] = {"amount": amount, "age": age, "visits": visits}
    judged = outcome(number, model=MODEL, truth=str(1 - late), features=features)
    return outcome_document(judged, cluster_id="c", personal=frozenset())


def closed() -> Document:
    return cohort_document(
        Cohort(
            model=MODEL,
            cohort_id=f"{MODEL}:1:live:live:0:0",
            version="1",
            arm="live",
            role="live",
            generation=1,
            start=APRIL + ROWS * HOUR_MS,
            end=APRIL + (ROWS + 1) * HOUR_MS,
            predicted=1,
            labeled=1,
            losses=(0.0,),
            delay_ms_p95=1.0,
            closed_at=APRIL,
        )
    )


def ask(settings: Settings, producer: Producer, event_id: str) -> None:
    event = ModelEvent(
        event_id=event_id,
        model=MODEL,
        kind="RetrainRequested",
        version="1",
        previous_version=None,
        reason="because",
        caused_by="test",
        occurred_at=time.time_ns() // 1_000_000,
        details=orjson.dumps({"since": None}).decode(),
    )
    value = wiring.codec(settings).encode(event)
    producer.produce(wiring.topics(settings).of(MODEL_EVENTS), value, key=MODEL.encode(), partition=SYSTEM_PARTITION)
    assert producer.flush(30) == 0


def answers(settings: Settings) -> list[dict[str, object]]:
    """What the store has been told of retrains."""
    rows = wiring.store(settings).query(
        "SELECT id, version, reason FROM model_events WHERE kind IN ('Trained', 'TrainingFailed') ORDER BY occurred_at"
    )
    return [dict(row) for row in rows]


def canaries(settings: Settings) -> list[str]:
    """Commands for canaries that the trainer has sent, each once."""
    rows = wiring.store(settings).query(
        "SELECT id FROM commands WHERE action = 'start' AND issued_by = 'penstock:trainer' ORDER BY issued_at"
    )
    return [str(row["id"]) for row in rows]


def running(stack: PenstockProcess, what: str) -> list[int]:
    return [pid for pid in descendants(stack.pid) if what in command_line(pid)]


def versions(shelf: Shelf) -> list[str]:
    return [record.version for record in shelf.records(MODEL)]


def test_a_trainer_killed_in_the_middle_of_a_fit(stack: PenstockProcess) -> None:
    """The next one does the request again, and a request that comes twice makes one version."""
    settings = attach(load_settings(data_dir=stack.data_dir))
    producer = build_producer(settings.kafka)

    ask(settings, producer, "asked-1")
    assert wait_until(lambda: bool(running(stack, "registry.refit_process")), timeout_s=DEADLINE_S, every_s=0.01)
    (trainer,) = running(stack, "run trainer ")
    (fit,) = running(stack, "registry.refit_process")
    kill_quietly(trainer)
    ask(settings, producer, "asked-1")
    assert wait_until(lambda: bool(answers(settings)), timeout_s=DEADLINE_S)
    ask(settings, producer, "asked-2")
    assert wait_until(lambda: len(answers(settings)) == 2, timeout_s=DEADLINE_S)

    assert command_line(fit) == ""
    assert [answer["id"] for answer in answers(settings)] == ["asked-1:Trained", "asked-2:Trained"]
    assert [answer["version"] for answer in answers(settings)] == ["2", "3"]
    assert str(answers(settings)[0]["reason"]).endswith("on the same 600 newest of 3,000 outcomes: better")
    assert versions(wiring.shelf(settings)) == ["1", "2", "3"]
    assert wait_until(lambda: len(canaries(settings)) == 2, timeout_s=DEADLINE_S)
    assert canaries(settings) == ["asked-1:Trained:canary", "asked-2:Trained:canary"]
