"""The controller's step: commands in a batch become journal entries, deployments and events."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.batch import Batch, LaneOutput, RecordColumns, tally_rows
from runtime.clock import FixedClock
from runtime.dead_letters import DeadLetterWriter
from runtime.metrics import Meters
from schemas.codec import EventCodec
from schemas.directory_registry import DirectoryRegistry
from schemas.events import Command, DeadLetter, DeploymentState, JournalEntry, LossRecord, ModelEvent, Signal
from schemas.topics import DEAD_LETTERS, DEPLOYMENTS, JOURNAL, MODEL_EVENTS, TopicKind, Topics
from streams.rollout.inputs import StatementFacts, VersionFacts
from streams.rollout.journal import explain
from streams.rollout.memory import ControllerState, restored_state
from streams.rollout.shelf_news import LOOK_MS, ShelfNews
from streams.rollout.step import ControllerStep, Surroundings
from streams.rollout.windows import ReadingRules
from tests.streams.rollouts import ACTING, DEFAULTS
from tests.streams.test_acting import cohort


class Controller:
    """A step with its codec; what it asked for topics is in `models`."""

    def __init__(self, folder: Path, restore: Callable[[], ControllerState] = ControllerState) -> None:
        self.codec = EventCodec(DirectoryRegistry(folder / "schemas.sqlite"))
        self.models: list[str] = []
        self.approvals: list[Mapping[str, str]] = []
        self.happened: list[ModelEvent] = []
        self.clock = clock = FixedClock(1_000)
        topics = Topics()
        self.step = ControllerStep(
            topics=topics,
            codec=self.codec,
            clock=clock,
            surroundings=Surroundings(
                facts=lambda _model, version: VersionFacts(state="validated" if version in {"1", "2"} else None),
                statements=self.worth,
                record_approval=self.approvals.append,
                restore=restore,
                ensure_topics=self.models.append,
                news=ShelfNews(happened=lambda: self.happened, told=lambda: {"known"}),
            ),
            defaults=DEFAULTS,
            acting_rules=ACTING,
            reading_rules=ReadingRules(rows_min=10, every_ms=0),
            meters=Meters(),
            dead_letters=DeadLetterWriter(
                service="controller-0",
                cluster_id="c",
                topics=topics,
                codec=self.codec,
                clock=clock,
                value_bytes_max=100,
            ),
        )
        self.step.refresh()

    def worth(self, command: Command) -> StatementFacts | None:
        """Every approval is bob's, and enough."""
        if command.action != "approve":
            return None
        return StatementFacts(
            fault="",
            person="bob",
            verdict="approve",
            reason="sound",
            before="validated",
            after="approved",
            words="1 of 1",
        )

    def command(self, version: str, command_id: str, *, action: str = "activate") -> bytes:
        return self.codec.encode(
            Command(
                command_id=command_id,
                model="flights",
                action=action,
                arguments={"version": version},
                issued_by="ann",
                issued_at=1,
            )
        )

    def process(self, *values: bytes | None, topic: str = "commands") -> LaneOutput:
        rows = len(values)
        columns = RecordColumns(
            topic=topic,
            keys=[b"flights"] * rows,
            values=list(values),
            headers=[None] * rows,
            partitions=[0] * rows,
            offsets=list(range(rows)),
            append_times=[5] * rows,
        )
        return self.step.process(Batch(columns={topic: columns}, offsets_next={(topic, 0): rows}))

    def values(self, output: LaneOutput, kind: TopicKind) -> list[bytes]:
        return [value for records in output.outgoing if records.topic == kind.name for value in records.values]


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


def test_each_command_is_decided_on_the_state_that_the_one_before_left(controller: Controller) -> None:
    """Two activations in one batch: two generations, the second knows the first."""
    output = controller.process(controller.command("1", "a"), controller.command("2", "b"))

    states = [controller.codec.decode(DeploymentState, value) for value in controller.values(output, DEPLOYMENTS)]
    entries = [controller.codec.decode(JournalEntry, value) for value in controller.values(output, JOURNAL)]
    assert [(state.generation, state.previous_version) for state in states] == [(1, None), (2, "1")]
    assert [(entry.sequence, entry.outcome) for entry in entries] == [(0, "accepted"), (1, "accepted")]
    assert controller.models == ["flights"]


def test_what_was_not_committed_is_decided_again_and_what_was_is_not(controller: Controller) -> None:
    """An aborted batch comes again and is decided the same; a repeated command id acts once."""
    first = controller.process(controller.command("1", "a"))
    again = controller.process(controller.command("1", "a"))
    controller.step.committed()
    repeated = controller.process(controller.command("1", "a"))

    assert first == again
    assert list(repeated.outgoing) == []


def test_a_command_that_can_not_be_read_is_dead_lettered_and_its_neighbors_are_decided(controller: Controller) -> None:
    """Junk on the commands topic stops nobody."""
    output = controller.process(b"junk", controller.command("1", "a"), None)

    letters = [controller.codec.decode(DeadLetter, value) for value in controller.values(output, DEAD_LETTERS)]
    assert [(letter.offset, letter.reason, letter.value) for letter in letters] == [
        (0, "malformed", b"junk"),
        (2, "malformed", None),
    ]
    assert len(controller.values(output, DEPLOYMENTS)) == 1
    tally = output.tallies["commands", 0]
    assert (tally.records, tally.scored, tally.dead_lettered) == (3, 1, {"malformed": 2})


def test_alarms_and_records_lead_to_requests(controller: Controller) -> None:
    """Matured labels grow a version's record, and an alarm about it asks for a retrain by journalled rules."""
    controller.process(controller.command("1", "a"))
    controller.step.committed()
    cohorts = [controller.codec.encode(cohort("1", number, labels=200, errors=20)) for number in range(3)]
    alarm = Signal(
        signal_id="s", model="flights", kind="drift", message="it drifts", evidence='{"version":"1"}', raised_at=1
    )

    tallied = controller.process(*cohorts, topic="cohorts")
    controller.step.committed()
    asked = controller.process(controller.codec.encode(alarm), topic="signals")
    (state,) = [controller.codec.decode(DeploymentState, value) for value in controller.values(tallied, DEPLOYMENTS)]
    (event,) = [controller.codec.decode(ModelEvent, value) for value in controller.values(asked, MODEL_EVENTS)]
    (entry,) = [controller.codec.decode(JournalEntry, value) for value in controller.values(asked, JOURNAL)]

    assert state.records == (LossRecord(version="1", labels=600.0, losses=60.0),)
    assert (event.kind, event.version, event.caused_by) == ("RetrainRequested", "1", "s")
    assert explain(entry, chain=None).faults == ()
    assert '"rules":{' in entry.input


def test_the_state_comes_back_from_what_was_written(controller: Controller) -> None:
    """A new controller goes on from the topics: same deployments, next sequence, known command ids."""
    output = controller.process(controller.command("1", "a"), controller.command("9", "b"))

    state = restored_state(
        [controller.codec.decode(DeploymentState, value) for value in controller.values(output, DEPLOYMENTS)],
        [controller.codec.decode(JournalEntry, value) for value in controller.values(output, JOURNAL)],
    )
    assert state.sequences == {"flights": 2}
    assert state.input_ids == ("a", "b")
    assert state.deployments["flights"].versions[0].version == "1"


def test_an_empty_batch_of_rejections_counts_all_as_scored() -> None:
    """Tallies start from everything being scored."""
    columns = RecordColumns(
        topic="t", keys=[None], values=[b""], headers=[None], partitions=[3], offsets=[9], append_times=[0]
    )

    tallies = tally_rows(columns, [])

    assert (tallies["t", 3].records, tallies["t", 3].scored) == (1, 1)


def test_an_approval_is_on_the_shelf_before_it_is_told(controller: Controller) -> None:
    """With the model that the command is about; what is refused is not kept."""
    output = controller.process(controller.command("1", "a", action="approve"))
    controller.process(controller.command("1", "b", action="reject"))

    events = [controller.codec.decode(ModelEvent, value) for value in controller.values(output, MODEL_EVENTS)]
    assert controller.approvals == [{"version": "1", "model": "flights"}]
    assert [(event.kind, event.issued_by) for event in events] == [("ApprovalGiven", "bob"), ("Approved", "bob")]
    assert controller.values(output, DEPLOYMENTS) == []


def test_what_the_shelf_did_is_told_once(controller: Controller) -> None:
    """What the topic has already is not told again; what is new is found within a second."""
    registered = ModelEvent(
        event_id="known",
        model="flights",
        kind="Registered",
        version="1",
        previous_version=None,
        reason="r",
        caused_by="b",
        occurred_at=1,
        issued_by="ann",
    )
    controller.happened = [registered, replace(registered, event_id="new")]
    first = controller.step.take_announcements()
    controller.happened.append(replace(registered, event_id="later"))
    at_once = controller.step.take_announcements()
    controller.clock.ms += LOOK_MS
    later = controller.step.take_announcements()

    told = [controller.codec.decode(ModelEvent, each.values[0]).event_id for each in (*first, *later)]
    assert told == ["new", "later"]
    assert (list(at_once), first[0].topic, first[0].keys) == ([], "model-events", [b"flights"])
