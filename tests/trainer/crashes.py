"""The trainer's parts with a crash as data: the process ends at a named point, and everything in memory with it."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from consumers.trainer.fit_process import FitProcess
from registry.catalogue import VersionRecord
from registry.checks import VerifyReport
from registry.labeled_rows import LabeledRows
from registry.preparing import Prepared
from registry.refit_process import RefitJob
from registry.shelf import Shelf
from runtime.clock import SystemClock
from runtime.settings import RegistrySettings
from schemas.directory_registry import DirectoryRegistry
from schemas.events import ModelEvent
from tests.trainer.troubled import TRUSTED

POINTS = (
    "before the fit",
    "after the fit",
    "before the shelf",
    "before the bundle",
    "before the verdict",
    "after the shelf",
    "before the answer",
    "after the answer",
)


class Crash(BaseException):
    """The process is gone."""


class Crashes:
    """Crashes once, at the point that it was given, if any; `hit` says that it did."""

    def __init__(self, point: str | None = None) -> None:
        assert point is None or point in POINTS, point
        self._point = point
        self.hit = False

    def at(self, point: str) -> None:
        assert point in POINTS, point
        if point == self._point and not self.hit:
            self.hit = True
            raise Crash(point)


class CrashingFit:
    """The real fit, with crashes around it."""

    def __init__(self, fit: FitProcess, crashes: Crashes) -> None:
        self._fit = fit
        self._crashes = crashes
        self.fits = 0

    def run(self, folder: Path, job: RefitJob, rows: LabeledRows, *, wanted: Callable[[], bool]) -> bool:
        self._crashes.at("before the fit")
        done = self._fit.run(folder, job, rows, wanted=wanted)
        self.fits += 1
        self._crashes.at("after the fit")
        return done


class CrashingShelf(Shelf):
    """The real shelf, with crashes around and within the addition."""

    def __init__(self, root: Path, crashes: Crashes) -> None:
        super().__init__(
            root / "registry",
            schemas=DirectoryRegistry(root / "schemas.sqlite"),
            settings=RegistrySettings(trusted_types=TRUSTED),
            clock=_CrashingClock(crashes),
        )
        self._crashes = crashes

    def add_refit(self, name: str, prepared: Prepared, *, parent: str, registered_by: str) -> VersionRecord:
        self._crashes.at("before the shelf")
        record = super().add_refit(name, prepared, parent=parent, registered_by=registered_by)
        self._crashes.at("after the shelf")
        return record

    def verify(self, name: str, version: str) -> VerifyReport:
        self._crashes.at("before the verdict")
        return super().verify(name, version)


class _CrashingClock:
    """The shelf asks for the time while it holds the catalogue's lock, before it writes the bundle."""

    def __init__(self, crashes: Crashes) -> None:
        self._crashes = crashes

    def now_ms(self) -> int:
        self._crashes.at("before the bundle")
        return SystemClock().now_ms()


class EventsInMemory:
    """A topic of model events that outlives the process that reads it; `stop` is set by the last answer awaited."""

    def __init__(self, crashes: Crashes, events: list[ModelEvent], stop: threading.Event, *, answers: int) -> None:
        self.events = events
        self._crashes = crashes
        self._stop = stop
        self._answers = answers
        self._next = 0

    def catch_up(self) -> Iterator[ModelEvent]:
        yield from self.news()

    def news(self) -> Iterator[ModelEvent]:
        while self._next < len(self.events):
            self._next += 1
            yield self.events[self._next - 1]

    def publish(self, event: ModelEvent) -> None:
        self._crashes.at("before the answer")
        self.events.append(event)
        self._crashes.at("after the answer")
        if len(answers_in(self.events)) >= self._answers:
            self._stop.set()


def answers_in(events: list[ModelEvent]) -> list[ModelEvent]:
    """What a trainer has said."""
    return [event for event in events if event.kind in ("Trained", "TrainingFailed")]
