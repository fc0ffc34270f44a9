"""The sink's loop on librdkafka's mock cluster: every topic, whatever fails."""

import sqlite3
from contextlib import closing
from random import Random

import pytest
from confluent_kafka import TopicPartition

from consumers.queries import SqliteStore
from consumers.sinks.memory import MemorySink
from consumers.sinks.sqlite import SqliteSink
from consumers.stored_collections import COLLECTIONS
from runtime.groups import sink_group
from runtime.kafka import build_group_consumer, build_reader, ensure_topics, partition_counts
from runtime.settings import Settings
from schemas.events import (
    Cohort,
    ColumnCounts,
    Command,
    DeploymentState,
    JournalEntry,
    Label,
    LogEntry,
    ModelEvent,
    Profile,
    ServedVersion,
    Signal,
    SourceRange,
)
from schemas.topics import (
    COHORTS,
    COMMANDS,
    DEAD_LETTERS,
    DEPLOYMENTS,
    JOURNAL,
    LABELS,
    LOGS,
    MODEL_EVENTS,
    OUTCOMES,
    PERFORMANCE,
    PREDICTIONS,
    PROFILES,
    RECEIPTS,
    SHADOWS,
    SIGNALS,
)
from tests.consumers.receipts import receipt
from tests.consumers.sinking import Feed, eventually, running_sink
from tests.consumers.stored import APRIL, dead_letter, outcome, part, prediction

pytestmark = pytest.mark.wire

COUNTS = "SELECT count(*) AS n FROM "


def test_every_topic_becomes_documents(deployment: Settings) -> None:
    """One event of each kind, and predictions in several partitions, are found in the store."""
    feed = Feed(deployment)
    _feed_one_of_each(feed)
    store = SqliteStore(deployment.store_path)
    with running_sink(deployment, SqliteSink(deployment.store_path)):
        eventually(lambda: _counts(store).get("predictions") == 8 and len(_counts(store)) == 15)
        counts = _counts(store)

    assert counts == {
        "predictions": 8,
        "shadows": 1,
        "dead_letters": 1,
        "deployments": 1,
        "receipts": 2,
        "journal": 1,
        "model_events": 1,
        "signals": 1,
        "profiles": 1,
        "commands": 1,
        "labels": 1,
        "outcomes": 1,
        "cohorts": 1,
        "performance": 1,
        "logs": 1,
    }


def test_replaying_everything_changes_nothing(deployment: Settings) -> None:
    """A sink whose offsets are forgotten reads all again into the same store, byte for byte."""
    feed = Feed(deployment)
    _feed_one_of_each(feed)
    feed.predictions([prediction(1, source_offset=50), prediction(1, source_offset=60)], PREDICTIONS)
    store = SqliteStore(deployment.store_path)
    with running_sink(deployment, SqliteSink(deployment.store_path)):
        eventually(lambda: len(_counts(store)) == 15 and _repeats(store) == 3)
    before = _content(deployment)
    _forget_offsets(deployment)
    with running_sink(deployment, SqliteSink(deployment.store_path)) as running:
        eventually(lambda: running.store.documents >= 20)

    assert _content(deployment) == before


def test_a_restart_goes_on_where_it_was(deployment: Settings) -> None:
    """Committed offsets are taken up: what was written is not read again."""
    feed = Feed(deployment)
    feed.predictions([prediction(number) for number in range(5)], PREDICTIONS)
    sink = MemorySink()
    with running_sink(deployment, sink):
        eventually(lambda: len(sink.documents["predictions"]) == 5)
    feed.predictions([prediction(number) for number in range(5, 8)], PREDICTIONS)
    with running_sink(deployment, sink) as running:
        eventually(lambda: len(sink.documents["predictions"]) == 8)
        written = running.store.documents

    assert written == 3


def test_a_store_that_is_down_loses_nothing(deployment: Settings) -> None:
    """The loop waits with its batch, keeps polling, and goes on when the store is back."""
    feed = Feed(deployment)
    sink = MemorySink()
    with running_sink(deployment, sink) as running:
        sink.down = True
        feed.predictions([prediction(number) for number in range(30)], PREDICTIONS)
        eventually(lambda: running.store.calls_failed >= 2)
        feed.predictions([prediction(number) for number in range(30, 60)], PREDICTIONS, partition=1)
        held = len(sink.documents["predictions"])
        sink.down = False
        eventually(lambda: len(sink.documents["predictions"]) == 60)

    assert held == 0


def test_stopping_while_the_store_is_down_commits_nothing(deployment: Settings) -> None:
    """The next start writes what the last one could not."""
    feed = Feed(deployment)
    sink = MemorySink()
    with running_sink(deployment, sink) as running:
        sink.down = True
        feed.predictions([prediction(1)], PREDICTIONS)
        eventually(lambda: running.store.calls_failed >= 1)
    sink.down = False
    with running_sink(deployment, sink):
        eventually(lambda: len(sink.documents["predictions"]) == 1)


def test_a_store_that_is_down_at_start_is_waited_for(deployment: Settings) -> None:
    """Setting up is patient too."""
    deployment.data_dir.mkdir(exist_ok=True)
    with closing(sqlite3.connect(deployment.store_path, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        Feed(deployment).predictions([prediction(1)], PREDICTIONS)
        sink = SqliteSink(deployment.store_path, busy_timeout_s=0.05)
        released = False
        with running_sink(deployment, sink, wait_ready=False) as running:
            eventually(lambda: running.store.calls_failed >= 2)
            lock.execute("ROLLBACK")
            released = True
            eventually(lambda: running.store.documents == 1)

    assert released


def test_a_record_that_does_not_decode_becomes_one_dead_letter(deployment: Settings) -> None:
    """With its bytes, place and reason; neighbors are stored, and a replay makes no second one."""
    feed = Feed(deployment)
    topic = feed.topics.of(PREDICTIONS, "flights")
    feed.predictions([prediction(1)], PREDICTIONS)
    feed.raw(topic, b"poison")
    feed.raw(topic, None)
    feed.raw(feed.topics.of(LABELS, "flights"), b"\x00\x00\x00\x00\x63???")
    feed.predictions([prediction(2), prediction(3, model="other") | {"model": "flights", "features": 1}], PREDICTIONS)
    sink = MemorySink()
    for _ in range(2):
        with running_sink(deployment, sink):
            eventually(lambda: len(sink.documents["dead_letters"]) == 4)
        _forget_offsets(deployment)
    letters = {
        (letter["topic"], letter["offset"]): (letter["reason"], letter["stage"], letter["value"], letter["model"])
        for letter in sink.documents["dead_letters"].values()
    }

    assert len(sink.documents["predictions"]) == 2
    assert letters[topic, 1] == ("malformed", "decode", b"poison", "flights")
    assert letters[topic, 2] == ("tombstone", "decode", None, "flights")
    assert {reason for reason, *_rest in letters.values()} == {"malformed", "tombstone", "unknown_schema_id"}


def test_a_document_that_the_store_rejects_is_dead_lettered_with_its_words(deployment: Settings) -> None:
    """An absurd event time decodes, but no store takes it."""
    feed = Feed(deployment)
    feed.predictions([prediction(1), prediction(2, event_time=1 << 60)], PREDICTIONS)
    sink = MemorySink()
    with running_sink(deployment, sink):
        eventually(lambda: len(sink.documents["dead_letters"]) == 1)
    (letter,) = sink.documents["dead_letters"].values()

    assert (letter["reason"], letter["stage"], letter["offset"]) == ("rejected_by_store", "store", 1)
    assert "years 1 to 9999" in str(letter["detail"])


def test_a_broken_dead_letter_is_not_sent_round_again(deployment: Settings) -> None:
    """It is logged with its offset; the loop goes on."""
    feed = Feed(deployment)
    topic = feed.topics.of(DEAD_LETTERS)
    feed.raw(topic, b"not a dead letter")
    feed.events(DEAD_LETTERS, [dead_letter(7)])
    sink = MemorySink()
    with running_sink(deployment, sink):
        eventually(lambda: len(sink.documents["dead_letters"]) == 1)

    assert _log_extent(deployment, topic) == (0, 2)


def test_a_tombstone_on_a_compacted_topic_is_no_fault(deployment: Settings) -> None:
    """Deployments may be deleted by key."""
    feed = Feed(deployment)
    feed.raw(feed.topics.of(DEPLOYMENTS), None)
    feed.predictions([prediction(1)], PREDICTIONS)
    sink = MemorySink()
    with running_sink(deployment, sink):
        eventually(lambda: len(sink.documents["predictions"]) == 1)

    assert sink.documents["dead_letters"] == {}


def test_personal_features_stay_out_of_the_store(deployment: Settings) -> None:
    """Predictions come without them, dead letters of such a model without bytes and words."""
    feed = Feed(deployment)
    feed.predictions([prediction(1)], PREDICTIONS)
    feed.events(DEAD_LETTERS, [dead_letter(7)])
    sink = MemorySink()
    with running_sink(deployment, sink, personal=lambda model: frozenset({"tailnum"} if model == "flights" else ())):
        eventually(lambda: bool(sink.documents["predictions"]) and bool(sink.documents["dead_letters"]))
    (stored,) = sink.documents["predictions"].values()
    (letter,) = sink.documents["dead_letters"].values()

    assert stored["features"] == {"carrier": "UA"}
    assert (letter["key"], letter["value"], letter["headers"]) == (None, None, [{"name": name} for name in "abc"])
    assert "withheld" in str(letter["detail"])
    assert (letter["value_bytes"], letter["value_sha256"]) == (2, "00")


def test_a_new_models_topics_are_found_while_it_runs(deployment: Settings) -> None:
    """Within seconds, and without disturbing the others."""
    feed = Feed(deployment)
    sink = MemorySink()
    with running_sink(deployment, sink):
        ensure_topics(deployment.kafka, deployment.topics, ["shuttle"])
        feed.predictions([prediction(1, model="shuttle"), prediction(2)], PREDICTIONS)
        eventually(lambda: len(sink.documents["predictions"]) == 2, timeout_s=10)


def test_what_the_broker_dropped_unread_is_counted_and_passed(deployment: Settings) -> None:
    """The log start has moved beyond the committed offset: the loss is counted, the rest is stored."""
    feed = Feed(deployment)
    big = prediction(0, features={"text": Random(7).randbytes(200_000).hex()})
    sink = MemorySink()
    feed.predictions([big], PREDICTIONS)
    with running_sink(deployment, sink):
        eventually(lambda: len(sink.documents["predictions"]) == 1)
    feed.predictions([big | {"request_id": f"r{number}"} for number in range(40)], PREDICTIONS)
    dropped = _log_extent(deployment, feed.topics.of(PREDICTIONS, "flights"))[0]
    with running_sink(deployment, sink) as running:
        eventually(lambda: "flights:r39:live" in sink.documents["predictions"])
        lost = running.loop.lost

    assert dropped > 1
    assert lost == dropped - 1


def test_a_log_that_ends_before_the_committed_offset_is_read_from_its_start(deployment: Settings) -> None:
    """A broker that forgot everything is no reason to wait for an offset that never comes."""
    feed = Feed(deployment)
    topic = feed.topics.of(PREDICTIONS, "flights")
    feed.predictions([prediction(1), prediction(2)], PREDICTIONS)
    _commit(deployment, [TopicPartition(topic, 0, 1_000)])
    sink = MemorySink()
    with running_sink(deployment, sink) as running:
        eventually(lambda: len(sink.documents["predictions"]) == 2)
        lost = running.loop.lost

    assert lost == 0


def _feed_one_of_each(feed: Feed) -> None:
    for partition in range(4):
        numbers = range(partition * 2, partition * 2 + 2)
        feed.predictions(
            [prediction(number, source_partition=partition) for number in numbers], PREDICTIONS, partition=partition
        )
    feed.predictions([prediction(1, role="shadow", version="2")], SHADOWS)
    feed.events(LABELS, [_label(0), _label(1)], model="flights")
    feed.predictions([outcome(1, revision=5), outcome(1, revision=4)], OUTCOMES)
    feed.events(COHORTS, [_cohort(), _cohort()])
    feed.events(PERFORMANCE, [part(0), part(1), part(1, revision=9)])
    feed.events(DEAD_LETTERS, [dead_letter(7), dead_letter(7)])
    feed.events(RECEIPTS, [receipt(0, 10), receipt(0, 10)])
    feed.events(DEPLOYMENTS, [_deployment()])
    feed.events(COMMANDS, [_command(), _command()])
    feed.events(PROFILES, [_profile(), _profile()])
    feed.events(
        SIGNALS, [Signal(signal_id="s", model="flights", kind="k", message="m", evidence="{}", raised_at=APRIL)]
    )
    feed.events(
        JOURNAL,
        [
            JournalEntry(
                model="flights",
                sequence=1,
                command_id="c",
                input="{}",
                now=APRIL,
                state_before=None,
                state_after="{}",
                actions=("activate",),
                outcome="done",
                reason="asked",
            )
        ],
    )
    feed.events(
        MODEL_EVENTS,
        [
            ModelEvent(
                event_id="e",
                model="flights",
                kind="Activated",
                version="1",
                previous_version=None,
                reason="asked",
                caused_by="c",
                occurred_at=APRIL,
            )
        ],
    )
    feed.events(LOGS, [LogEntry(service="scorer-0", level="info", event="hello", logged_at=APRIL)])


def _label(revision: int) -> Label:
    return Label(model="flights", request_id="r1", entity_id="N1", label=1.5, event_time=APRIL, revision=revision)


def _cohort() -> Cohort:
    return Cohort(
        model="flights",
        cohort_id=f"flights:1:stable:live:{APRIL}:0",
        version="1",
        arm="stable",
        role="live",
        generation=1,
        start=APRIL,
        end=APRIL + 3_600_000,
        predicted=4,
        labeled=3,
        losses=(0.0, 1.0, 1.0),
        delay_ms_p95=60_000.0,
        closed_at=APRIL,
    )


def _deployment() -> DeploymentState:
    return DeploymentState(
        model="flights",
        generation=1,
        salt=1,
        versions=(ServedVersion(version="1", bundle="b", arm="stable", buckets=()),),
        previous_version=None,
        request_schema_id=1,
        prediction_schema_id=2,
        accepted_losses=(),
        command_id="c",
        decided_at=APRIL,
    )


def _profile() -> Profile:
    return Profile(
        profile_id="p",
        model="flights",
        version="1",
        bundle="b",
        arm="stable",
        role="live",
        generation=1,
        cluster_id="c",
        sources=(SourceRange(partition=0, offset_first=0, offset_last=4),),
        rows=5,
        profiled=5,
        rejected={"missing_value": 1},
        durations_us={"score": 10},
        event_time_first=APRIL,
        event_time_last=APRIL,
        requested_at_first=APRIL,
        requested_at_last=APRIL,
        columns=(ColumnCounts(name="(score)", counts=(4, 1), quantiles=(0.1,) * 5, strangers={}),),
    )


def _command() -> Command:
    return Command(
        command_id="c", model="flights", action="activate", arguments={"version": "1"}, issued_by="me", issued_at=APRIL
    )


def _counts(store: SqliteStore) -> dict[str, int]:
    """Documents by table; empty tables are left out."""
    counts = {each.name: int(str(store.query(f"{COUNTS}{each.name}")[0]["n"])) for each in COLLECTIONS}
    return {table: count for table, count in counts.items() if count}


def _repeats(store: SqliteStore) -> int:
    return int(str(store.query(f"{COUNTS}repeated_requests")[0]["n"]))


def _content(settings: Settings) -> list[str]:
    with closing(sqlite3.connect(settings.store_path)) as connection:
        return sorted(connection.iterdump())


def _commit(settings: Settings, offsets: list[TopicPartition]) -> None:
    """Commit in the name of the sink's group."""
    member = build_group_consumer(settings.kafka, group=sink_group(settings.topics.prefix))
    member.commit(offsets=offsets, asynchronous=False)
    member.close()


def _forget_offsets(settings: Settings) -> None:
    """Commit offset 0 everywhere, as if nothing had been read."""
    names = [name for name in partition_counts(settings.kafka) if name.startswith(settings.topics.prefix)]
    _commit(settings, [TopicPartition(name, partition, 0) for name in names for partition in range(4)])


def _log_extent(settings: Settings, topic: str) -> tuple[int, int]:
    reader = build_reader(settings.kafka)
    low, high = reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
    reader.close()
    return low, high
