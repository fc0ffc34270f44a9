"""What the outcome lane has made, as a downstream consumer reads it, beside a batch join of its topics."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consumers.coverage import Coverage, cover, in_order
from penstock import wiring
from schemas.events import Cohort, Label, Receipt
from schemas.prediction_reader import PredictionReader
from schemas.topics import COHORTS, LABELS, OUTCOMES, PREDICTIONS
from tests.services.deployment import MODEL, Deployment
from tests.services.topic_records import TopicRecord, read_topic

Row = dict[str, Any]
_JUDGED = ("request_id", "entity_id", "version", "label", "score", "event_time")


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedTopics:
    """All of a model's predictions, labels, outcomes and cohorts, in the order of their logs."""

    predictions: Sequence[Row]
    labels: Sequence[Label]
    outcomes: Sequence[Row]
    cohorts: Sequence[Cohort]


def read_joined(deployment: Deployment) -> JoinedTopics:
    """What is committed on the four topics."""
    names, server = wiring.topics(deployment.settings), deployment.server.bootstrap_servers
    schemas, codec = wiring.schema_registry(deployment.settings), wiring.codec(deployment.settings)
    cohorts = read_topic(server, names.of(COHORTS))
    return JoinedTopics(
        predictions=_rows(PredictionReader(schemas), read_topic(server, names.of(PREDICTIONS, MODEL))),
        labels=[codec.decode(Label, record.value) for record in read_topic(server, names.of(LABELS, MODEL))],
        outcomes=_rows(PredictionReader(schemas, record="Outcome"), read_topic(server, names.of(OUTCOMES, MODEL))),
        cohorts=[codec.decode(Cohort, record.value) for record in cohorts],
    )


def assert_as_a_batch_join(joined: JoinedTopics) -> None:
    """The last outcome of each prediction is its prediction with the label that holds; none was told twice."""
    labels: dict[str, Label] = {}
    for label in joined.labels:
        known = labels.get(label.request_id)
        if known is None or (label.revision, label.event_time) > (known.revision, known.event_time):
            labels[label.request_id] = label
    expected = {
        row["request_id"]: _told(row, labels[row["request_id"]])
        for row in joined.predictions
        if row["request_id"] in labels
    }
    final = {row["request_id"]: row for row in joined.outcomes}
    told = Counter((row["request_id"], row["revision"]) for row in joined.outcomes)

    assert [place for place, times in told.items() if times > 1][:5] == []
    assert len(expected) == len(final)
    wrong = [number for number, row in expected.items() if {name: final[number][name] for name in row} != row]
    assert [(expected[number], final[number]) for number in wrong[:2]] == []


def assert_cohorts_are_whole(joined: JoinedTopics, *, stretch_ms: int) -> None:
    """Each was told once, in order of time, and holds every prediction of its stretch."""
    ids = [cohort.cohort_id for cohort in joined.cohorts]
    predicted = Counter(
        (row["version"], row["generation"], row["event_time"] // stretch_ms * stretch_ms, row["partition"])
        for row in joined.predictions
    )
    assert len(set(ids)) == len(ids)
    by_part: dict[str, list[int]] = {}
    for cohort in joined.cohorts:
        part = cohort.cohort_id.rsplit(":", 1)[1]
        by_part.setdefault(part, []).append(cohort.start)
        place = (cohort.version, cohort.generation, cohort.start, int(part.split(".")[0]))
        assert cohort.predicted == predicted[place], cohort.cohort_id
        assert cohort.labeled == len(cohort.losses)
    assert all(sorted(starts) == starts for starts in by_part.values())


def coverages(deployment: Deployment) -> list[Coverage]:
    """What the lane's receipts say of each partition that it read."""
    codec = wiring.codec(deployment.settings)
    receipts = [
        codec.decode(Receipt, record.value)
        for record in read_topic(deployment.server.bootstrap_servers, deployment.receipts_topic)
    ]
    return list(cover(in_order([receipt for receipt in receipts if receipt.lane == "outcomes"])))


def _told(row: Row, label: Label) -> Row:
    truth = label.label
    probability = None if truth is None else row["score"] if truth == "1" else 1 - row["score"]
    return {name: row[name] for name in _JUDGED} | {
        "truth": truth,
        "retracted": truth is None,
        "truth_probability": probability,
        "loss": None if truth is None else float(truth != row["label"]),
        "label_revision": label.revision,
        "label_event_time": label.event_time,
        "delay_ms": label.event_time - row["event_time"],
        "value": label.value,
    }


def _rows(reader: PredictionReader, records: Sequence[TopicRecord]) -> list[Row]:
    rows = reader.read_all([record.value for record in records])
    assert all(isinstance(row, dict) for row in rows), "every record reads"
    return [row | {"partition": record.partition} for row, record in zip(rows, records, strict=True)]  # type: ignore[operator]  # just asserted
