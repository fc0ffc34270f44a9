"""A controller that is killed at every point of its commits, and one that is not, given the same to decide."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from penstock import wiring
from penstock.commanding import publish
from runtime.kafka import SYSTEM_PARTITION, build_producer
from schemas.events import DeploymentState, JournalEntry, ModelEvent, Signal
from schemas.topics import DEPLOYMENTS, JOURNAL, MODEL_EVENTS, SIGNALS
from tests.rollout_scene import RolloutScene
from tests.services.deployment import MODEL
from tests.services.waiting import BACK_S, wait_for
from tests.stack import ROOT

STOP_S = 30.0
_TIMES = frozenset(
    {"decided_at", "started_at", "phase_since", "step_since", "loaded_at", "cool_down_until", "occurred_at"}
)
Input = tuple[str, str, dict[str, str]]
"""An id, an action or `signal`, and its arguments."""
INPUTS: tuple[Input, ...] = (
    ("first", "activate", {"version": "1"}),
    ("first-loaded", "signal", {}),
    ("second", "activate", {"version": "2"}),
    ("back", "rollback", {"bar": "true", "reason": "orders fall"}),
    ("lifted", "unbar", {"version": "2", "reason": "it was the shop"}),
    ("canary", "start", {"version": "2", "judged_by": "guardrails", "steps": "10%,50%", "duration": "1h"}),
    ("canary-loaded", "signal", {}),
    ("refused", "start", {"version": "3"}),
    ("promoted", "promote", {"reason": "agreed"}),
    ("switch", "start", {"version": "3", "strategy": "blue-green", "steps": "0%:1s,100%:1s"}),
    ("switch-loaded", "signal", {}),
)
"""What is due by time after the last of them is decided without an input: the switch, and its end."""
DEATHS: tuple[str, ...] = (
    # One at each point: of two commands, of a signal, and of what time alone has decided.
    "before the journal=second",
    "after the commit=canary",
    "after the journal=canary-loaded",
    f"before the offsets are final=time:{MODEL}:",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a controller has written about the model; `killed`: how often it died."""

    journal: Sequence[JournalEntry]
    deployments: Sequence[DeploymentState]
    events: Sequence[ModelEvent]
    killed: int


@dataclass(slots=True)
class Controller:
    """The controller's process, which is started again when it has died of what it was to die of."""

    scene: RolloutScene
    deaths: list[str]
    killed: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        arguments = ["-m", "tests.crashing_controller", str(self.scene.config), str(self.scene.data_dir), *self.deaths]
        with (self.scene.folder / "controller.err").open("ab") as err:
            self._process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stderr=err)

    def look(self) -> None:
        """Start it again where it has died, without the death that it has died."""
        assert self._process is not None, "started before it is looked at"
        ended = self._process.poll()
        if ended is not None:
            assert ended == -signal.SIGKILL, f"it ended with {ended}: see {self.scene.folder}/controller.err"
            self.killed += 1
            self.deaths = self.deaths[1:]
            self.start()

    def stop(self) -> None:
        assert self._process is not None, "started before it is stopped"
        self._process.terminate()
        self._process.wait(STOP_S)


def decided(scene: RolloutScene, deaths: Sequence[str]) -> Written:
    """What a controller with these deaths before it, in this order, makes of the inputs."""
    scene.add_versions()
    with _running(Controller(scene, list(deaths))) as controller:
        for input_id, action, arguments in INPUTS:
            if action == "signal":
                _signal_loaded(scene, input_id)
            else:
                publish(scene.settings, action, MODEL, arguments=arguments, command_id=input_id)
            _wait(controller, lambda input_id=input_id: input_id in _decided_on(scene), input_id)
        _wait(controller, lambda: _serves(scene, "3"), "time has ended the switch")
        _wait(controller, lambda: controller.killed == len(deaths), "it has died of everything")
        _wait(controller, lambda: _told(scene), "all is told")
    return Written(
        journal=scene.records(JOURNAL, JournalEntry),
        deployments=scene.records(DEPLOYMENTS, DeploymentState),
        events=scene.records(MODEL_EVENTS, ModelEvent),
        killed=controller.killed,
    )


def timeless(content: Any) -> Any:
    """Without what depends on the moment at which it was decided."""
    if isinstance(content, dict):
        return {name: timeless(value) for name, value in content.items() if name not in _TIMES}
    return [timeless(each) for each in content] if isinstance(content, list) else content


def outline(entry: JournalEntry) -> tuple[Any, ...]:
    """An entry without its moment: what was decided on what, in which state, with which events."""
    states = [timeless(orjson.loads(text)) if text else None for text in (entry.state_before, entry.state_after)]
    return (
        entry.sequence,
        entry.command_id,
        entry.outcome,
        entry.reason,
        states,
        [timeless(orjson.loads(text)) for text in entry.actions],
    )


def by_revision(states: Sequence[DeploymentState]) -> dict[int, Any]:
    """Each state without its moments; one that was told twice is told the same."""
    found: dict[int, Any] = {}
    for state in states:
        content = timeless(orjson.loads(orjson.dumps(state)))
        assert found.setdefault(state.revision, content) == content
    return found


@contextmanager
def _running(controller: Controller) -> Iterator[Controller]:
    controller.start()
    try:
        yield controller
    finally:
        controller.stop()


def _wait(controller: Controller, condition: Any, what: str) -> None:
    def holds() -> bool:
        controller.look()
        return bool(condition())

    wait_for(holds, what, timeout_s=BACK_S, every_s=0.2)


def _decided_on(scene: RolloutScene) -> set[str]:
    return {entry.command_id for entry in scene.records(JOURNAL, JournalEntry)}


def _serves(scene: RolloutScene, version: str) -> bool:
    newest = scene.records(JOURNAL, JournalEntry)[-1].state_after
    state = orjson.loads(newest or "{}")
    return state["rollout"]["phase"] == "Successful" and [each["version"] for each in state["versions"]] == [version]


def _told(scene: RolloutScene) -> bool:
    """Whether the topics of deployments and events have what the journal has."""
    journal = scene.records(JOURNAL, JournalEntry)
    ids = {orjson.loads(text)["event_id"] for entry in journal for text in entry.actions}
    newest = scene.records(DEPLOYMENTS, DeploymentState)[-1]
    return (
        ids <= {each.event_id for each in scene.records(MODEL_EVENTS, ModelEvent)}
        and newest.revision == orjson.loads(journal[-1].state_after or "{}")["revision"]
    )


def _signal_loaded(scene: RolloutScene, signal_id: str) -> None:
    """What a scorer says when it has loaded all that the deployment names."""
    settings = scene.settings
    newest = scene.records(JOURNAL, JournalEntry)[-1].state_after
    details = {"generation": orjson.loads(newest or "{}")["generation"]}
    signal_ = Signal(
        signal_id=signal_id,
        model=MODEL,
        kind="version_loaded",
        message="loaded",
        evidence=orjson.dumps(details).decode(),
        raised_at=1,
    )
    producer = build_producer(settings.kafka)
    topic = wiring.topics(settings).of(SIGNALS)
    producer.produce(topic, wiring.codec(settings).encode(signal_), MODEL.encode(), partition=SYSTEM_PARTITION)
    assert producer.flush(STOP_S) == 0
