"""Follows the deployments and keeps, for each model, what serves it; swaps between batches only.

Versions are loaded on a thread of their own while the present ones go on serving; where all of them
are in memory already, as in a switch or a rollback, the swap is at once. A version that is refused
leaves the present ones in place and raises a signal; a registry that is away is asked again, with a
backoff.
"""

import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from registry.errors import RegistryError
from runtime.batch import OutgoingRecords
from runtime.metrics import MODEL_VERSION_INFO, SWAPS, Meters
from schemas.events import DeploymentState
from streams.scoring.loading import ServedVersionRefusedError
from streams.scoring.serving import Serving
from streams.scoring.signals import SignalWriter

RETRY_FIRST_S = 0.5
RETRY_MOST_S = 15.0
LOOK_EVERY_S = 0.02
PENDING = "Pending"
"""The phase of a rollout that waits for a worker which has loaded what it names."""
_log = structlog.get_logger("penstock.fleet")


class VersionLoader(Protocol):
    """What makes a deployment serve."""

    def at_hand(self, state: DeploymentState) -> Serving | None:
        """The serving, where nothing has to be loaded for it."""
        ...

    def load(self, state: DeploymentState) -> Serving:
        """The serving. Raises `ServedVersionRefusedError`, and what is asked again."""
        ...

    def warm(self, state: DeploymentState) -> None:
        """Load what stands by."""
        ...


@dataclass(slots=True)
class _Load:
    """A deployment on its way to serve."""

    state: DeploymentState
    future: "Future[Serving] | None" = None
    failures: int = 0
    due: float = field(default=0.0)


def model_of(state: DeploymentState) -> str:
    return state.model


class Fleet:
    """`serving` is what scores now; `take_changes` is called between batches.

    What is in it goes by the names that `name_of` gives: of a deployment the model, of a shadow its own.
    """

    def __init__(
        self,
        *,
        known: Iterable[DeploymentState],
        news: Callable[[], Iterable[DeploymentState]],
        loader: VersionLoader,
        signals: SignalWriter,
        meters: Meters,
        retry_on: tuple[type[Exception], ...],
        name_of: Callable[[DeploymentState], str] = model_of,
    ) -> None:
        self._name_of = name_of
        self._news = news
        self._loader = loader
        self._signals = signals
        self._meters = meters
        self._retry_on = retry_on
        self._warming_fails_on: tuple[type[Exception], ...] = (RegistryError, *retry_on)
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="load")
        self._loads: dict[str, _Load] = {}
        self._announcements: list[OutgoingRecords] = []
        self.states: dict[str, DeploymentState] = {}
        self.serving: dict[str, Serving] = {}
        for state in known:
            self._take(state)

    def load_all(self, deadline_s: float) -> None:
        """Wait until each deployment serves, was refused, or has failed to load once."""
        deadline = time.monotonic() + deadline_s
        while time.monotonic() < deadline and not all(load.failures for load in self._loads.values()):
            self.take_changes()
            time.sleep(LOOK_EVERY_S)

    def take_changes(self) -> None:
        """Start loading what is new, and swap in what has been loaded since."""
        for state in self._news():
            self._take(state)
        for name, load in list(self._loads.items()):
            if load.future is None and time.monotonic() >= load.due:
                load.future = self._executor.submit(self._loader.load, load.state)
            elif load.future is not None and load.future.done():
                self._finish(name, load, load.future)

    def take_announcements(self) -> list[OutgoingRecords]:
        announcements, self._announcements = self._announcements, []
        return announcements

    def keep(self, names: Collection[str]) -> None:
        """Let go of all others."""
        for known in (self.states, self.serving, self._loads):
            for name in [name for name in known if name not in names]:
                del known[name]

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _take(self, state: DeploymentState) -> None:
        """Most news are of the same generation: evidence has grown, and nothing changes for scoring."""
        name = self._name_of(state)
        known = self.states.get(name)
        self.states[name] = state
        if known is not None and (known.generation, known.salt) == (state.generation, state.salt):
            return
        serving = self._loader.at_hand(state)
        if serving is None:
            self._loads[name] = _Load(state)
            return
        self._loads.pop(name, None)
        self._swap(serving)

    def _finish(self, name: str, load: _Load, future: "Future[Serving]") -> None:
        try:
            serving = future.result()
        except ServedVersionRefusedError as error:
            self._refused(load.state, error)
            del self._loads[name]
        except self._retry_on as error:
            load.failures += 1
            load.future = None
            wait_s = min(RETRY_FIRST_S * 2.0 ** min(load.failures - 1, 20), RETRY_MOST_S)
            load.due = time.monotonic() + wait_s
            _log.warning("versions not loadable now", model=load.state.model, retry_in_s=wait_s, detail=str(error))
        else:
            del self._loads[name]
            self._swap(serving)
            self._executor.submit(self._warm, serving.state)

    def _warm(self, state: DeploymentState) -> None:
        """A version to go back to that can't be loaded now is loaded when it is gone back to."""
        try:
            self._loader.warm(state)
        except self._warming_fails_on as error:
            _log.warning("the version that stands by is not warm", model=state.model, detail=str(error))

    def _swap(self, serving: Serving) -> None:
        state = serving.state
        self.serving[self._name_of(state)] = serving
        self._meters.add(SWAPS, model=state.model)
        self._measure(state.model)
        versions = ",".join(served.version for served in state.versions)
        _log.info("swapped", model=state.model, version=versions, generation=state.generation)
        for version, why in serving.quarantined.items():
            _log.error("version quarantined", model=state.model, version=version, why=why)
            self._announcements.append(self._signals.version_quarantined(state, version, why))
        if state.rollout is not None and state.rollout.phase == PENDING:
            self._announcements.append(self._signals.version_loaded(state))

    def _measure(self, model: str) -> None:
        """Say which versions of a model are loaded here, and as what."""
        self._meters.forget(MODEL_VERSION_INFO, model=model)
        for serving in self.serving.values():
            for served in serving.state.versions if serving.state.model == model else ():
                self._meters.set(
                    MODEL_VERSION_INFO,
                    1,
                    model=model,
                    version=served.version,
                    arm=served.arm,
                    bundle=served.bundle,
                    generation=str(serving.state.generation),
                )

    def _refused(self, state: DeploymentState, error: ServedVersionRefusedError) -> None:
        _log.error("version refused", model=state.model, version=error.version, why=str(error))
        self._announcements.append(self._signals.version_refused(state, error.version, str(error)))
