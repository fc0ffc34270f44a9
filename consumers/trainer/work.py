"""One request through to its answer: window, fit, judgment, registration.

A request comes in, a model event goes out, or nothing while it has to wait. Steps: (1) is it done
already, (2) the version, (3) the window, (4) the fit in a process of its own, (5) the judgment,
(6) the shelf. The version's unique key is the request's id, so whatever ends this process, and
wherever, the request can be worked on again and makes one version.
"""

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from consumers.errors import FitFailedError
from consumers.trainer.answers import TRAINER, failed, trained
from consumers.trainer.requests import RetrainRequest
from consumers.trainer.verdict import Verdict, in_words, verdict_of
from consumers.trainer.window import OutcomeRow, Stretch, WindowRules, training_window
from registry.catalogue import VersionRecord, VersionState
from registry.errors import BundleRefusedError, VersionNotFoundError, VersionRefusedError
from registry.labeled_rows import LabeledRows
from registry.manifest import Manifest
from registry.prepared_files import read_prepared
from registry.preparing import Prepared
from registry.refit_process import RefitJob
from runtime.clock import Clock
from schemas.events import ModelEvent
from schemas.reasons import TrainingFault
from schemas.request_columns import EVENT_TIME_MIN

_log = structlog.get_logger("penstock.trainer")


class Outcomes(Protocol):
    """Where stored outcomes are read. Both may raise `StoreUnavailableError`: ask again later."""

    def matured_until(self, model: str) -> int | None:
        """The event time (ms) before which labels have had time to arrive; None while nothing has matured."""
        ...

    def newest(self, model: str, stretch: Stretch, *, rows_max: int) -> Iterable[OutcomeRow]:
        """Live outcomes of the stretch that have a label, newest first, at most `rows_max`."""
        ...


class RefitShelf(Protocol):
    """What is used of the shelf."""

    def record(self, name: str, version: str) -> VersionRecord: ...

    def manifest(self, name: str, version: str) -> Manifest: ...

    def refit_of(self, name: str, cause: str) -> VersionRecord | None: ...

    def add_refit(self, name: str, prepared: Prepared, *, parent: str, registered_by: str) -> VersionRecord: ...


class Fit(Protocol):
    """What does the fit; see `FitProcess`."""

    def run(self, folder: Path, job: RefitJob, rows: LabeledRows, *, wanted: Callable[[], bool]) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLimits:
    """What a retrain may use. `request_wait_ms`: how long a request waits for outcomes that are missing."""

    rules: WindowRules
    request_wait_ms: int
    memory_bytes_max: int
    trusted_types: tuple[str, ...]
    bundle_bytes_max: int


class Work:
    """Does what requests ask for. `folder` is this process's own, and emptied for each fit."""

    def __init__(
        self,
        *,
        shelf: RefitShelf,
        bundles: Path,
        outcomes: Outcomes,
        fit: Fit,
        folder: Path,
        limits: WorkLimits,
        clock: Clock,
    ) -> None:
        self._shelf = shelf
        self._bundles = bundles
        self._outcomes = outcomes
        self._fit = fit
        self._folder = folder
        self._limits = limits
        self._clock = clock

    def answer(self, request: RetrainRequest, *, wanted: Callable[[], bool]) -> ModelEvent | None:
        """The answer to a request, or None: it has to wait, or it was not `wanted` any more.

        Raises `StoreUnavailableError` and `ShelfUnavailableError`: ask again later.
        """
        try:
            return self._answer(request, wanted)
        except FitFailedError as error:
            return failed(request, error.fault, error.detail, self._clock.now_ms())

    def _answer(self, request: RetrainRequest, wanted: Callable[[], bool]) -> ModelEvent | None:
        known = self._shelf.refit_of(request.model, request.event_id)  # 1
        if known is not None:
            return self._registered(request, known)
        version = self._version(request)  # 2
        rows = self._rows(request, version)  # 3
        if rows is None or not self._fitted(request, version, rows, wanted):  # 4
            return None
        prepared = read_prepared(self._folder)
        assert prepared.training is not None, "a refit says how it was made"
        if verdict_of(prepared.training) is Verdict.WORSE:  # 5
            words = in_words(prepared.training, parent=version.version, task=version.task)
            raise FitFailedError(TrainingFault.NOT_AS_GOOD, words)
        return self._registered(request, self._added(request, prepared, parent=version.version))  # 6

    def _version(self, request: RetrainRequest) -> VersionRecord:
        if request.version is None:
            raise FitFailedError(TrainingFault.NO_VERSION, f"no version of {request.model} serves")
        try:
            return self._shelf.record(request.model, request.version)
        except VersionNotFoundError as error:
            raise FitFailedError(TrainingFault.VERSION_UNUSABLE, str(error)) from error

    def _rows(self, request: RetrainRequest, version: VersionRecord) -> LabeledRows | None:
        """The window, or None while missing outcomes may still come."""
        try:
            signature = self._shelf.manifest(request.model, version.version).signature
        except BundleRefusedError as error:
            raise FitFailedError(TrainingFault.VERSION_UNUSABLE, str(error)) from error
        until = self._outcomes.matured_until(request.model)
        stretch = Stretch(
            since=EVENT_TIME_MIN if request.since is None else request.since,
            until=EVENT_TIME_MIN if until is None else until,
        )
        rules = self._limits.rules
        outcomes = self._outcomes.newest(request.model, stretch, rows_max=rules.rows_max)
        window = training_window(outcomes, stretch, signature, rules)
        if isinstance(window, LabeledRows):
            return window
        waits_until = request.requested_at + self._limits.request_wait_ms
        if window.passing and self._clock.now_ms() < waits_until:
            _log.info("waits for outcomes", model=request.model, request=request.event_id, why=window.detail)
            return None
        raise FitFailedError(window.fault, window.detail)

    def _fitted(
        self, request: RetrainRequest, version: VersionRecord, rows: LabeledRows, wanted: Callable[[], bool]
    ) -> bool:
        job = RefitJob(
            bundles=str(self._bundles),
            bundle=version.bundle,
            cause=request.event_id,
            judged_from=rows.judged_from,
            trusted_types=self._limits.trusted_types,
            bundle_bytes_max=self._limits.bundle_bytes_max,
            memory_bytes_max=self._limits.memory_bytes_max,
        )
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        _log.info("fits", model=request.model, version=version.version, rows=len(rows), request=request.event_id)
        return self._fit.run(self._folder, job, rows, wanted=wanted)

    def _added(self, request: RetrainRequest, prepared: Prepared, *, parent: str) -> VersionRecord:
        try:
            return self._shelf.add_refit(request.model, prepared, parent=parent, registered_by=TRAINER)
        except VersionRefusedError as error:
            raise FitFailedError(TrainingFault.FIT_REFUSED, str(error)) from error

    def _registered(self, request: RetrainRequest, record: VersionRecord) -> ModelEvent:
        """The answer for what is on the shelf, which knows how it was made."""
        if record.state is VersionState.REJECTED:
            detail = f"version {record.version} was refitted and did not pass: {record.failure}"
            raise FitFailedError(TrainingFault.NOT_VALIDATED, detail)
        facts = self._shelf.manifest(request.model, record.version).training
        assert facts is not None, "a refit's manifest says how it was made"
        return trained(request, record, facts, self._clock.now_ms())
