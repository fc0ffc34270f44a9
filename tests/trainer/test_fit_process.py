"""A fit in a process of its own: whatever it does to that process, its end has a name and nothing else is harmed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from consumers.errors import FitFailedError
from consumers.trainer.fit_process import FitProcess
from consumers.trainer.window import OutcomeRow, Stretch, training_window
from registry.catalogue import VersionRecord
from registry.labeled_rows import LabeledRows, write_rows
from registry.loaded import Estimator
from registry.prepared_files import read_prepared
from registry.refit_process import ROWS, RefitJob
from registry.shelf import Shelf
from runtime.process import wait_until
from schemas.reasons import TrainingFault
from tests.registry.samples import doubles, halves
from tests.stack import ROOT, command_line, descendants
from tests.trainer.conftest import MODEL, TARGET
from tests.trainer.outcomes import RULES, outcomes_of
from tests.trainer.troubled import TRUSTED, Endless, Falling, Hungry, Raising

MEMORY_BYTES_MAX = 1 << 30
DEADLINE_S = 60.0


def job_for(shelf_dir: Path, record: VersionRecord, rows: LabeledRows) -> RefitJob:
    return RefitJob(
        bundles=str(shelf_dir / "bundles"),
        bundle=record.bundle,
        cause="asked",
        judged_from=rows.judged_from,
        trusted_types=TRUSTED,
        bundle_bytes_max=1 << 28,
        memory_bytes_max=MEMORY_BYTES_MAX,
    )


def window_of(rows: list[OutcomeRow], shelf: Shelf, record: VersionRecord) -> LabeledRows:
    signature = shelf.manifest(MODEL, record.version).signature
    found = training_window(rows, Stretch(since=0, until=10**15), signature, RULES)
    assert isinstance(found, LabeledRows), found
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "fit"
    made.mkdir()
    return made


@pytest.fixture
def troubled(
    tmp_path: Path, folder: Path, shelf: Shelf, add_numbers: Callable[[Estimator, pd.DataFrame], VersionRecord]
) -> Callable[[type], tuple[RefitJob, LabeledRows]]:
    """A version whose estimator is of that troubled kind, and rows enough for the trouble to begin."""

    def make(kind: type) -> tuple[RefitJob, LabeledRows]:
        few, many = doubles(200), doubles(900, seed=5)
        record = add_numbers(kind().fit(few, halves(few)), few.assign(late=halves(few)))
        signature = shelf.manifest(MODEL, record.version).signature
        rows = window_of(outcomes_of(many.assign(late=halves(many)), signature, target=TARGET), shelf, record)
        return job_for(tmp_path / "registry", record, rows), rows

    return make


def failing(folder: Path, job: RefitJob, rows: LabeledRows, *, timeout_s: float = DEADLINE_S) -> FitFailedError:
    with pytest.raises(FitFailedError) as caught:
        FitProcess(timeout_s=timeout_s).run(folder, job, rows, wanted=lambda: True)
    return caught.value


def test_a_fit_leaves_a_prepared_version(
    tmp_path: Path, folder: Path, shelf: Shelf, served: VersionRecord, hours: list[OutcomeRow]
) -> None:
    """What the process leaves is a version of the same pipeline that has learned the new unit."""
    rows = window_of(hours, shelf, served)

    done = FitProcess(timeout_s=DEADLINE_S).run(
        folder, job_for(tmp_path / "registry", served, rows), rows, wanted=lambda: True
    )
    prepared = read_prepared(folder)

    assert done
    assert prepared.training is not None
    assert (prepared.training.cause, prepared.training.sha256) == ("asked", rows.sha256)
    assert (prepared.training.rows, prepared.training.rows_judged) == (2_000, 500)
    assert prepared.training.loss < 0.2 < prepared.training.parent_loss
    assert prepared.training.difference_high < 0
    assert prepared.signature == shelf.manifest(MODEL, "1").signature


def test_a_fit_that_takes_all_memory(folder: Path, troubled: Callable[[type], tuple[RefitJob, LabeledRows]]) -> None:
    """The limit ends it, and the machine's other processes never notice."""
    error = failing(folder, *troubled(Hungry))

    assert error.fault is TrainingFault.OUT_OF_MEMORY
    assert error.detail == "the fit needed more than 1,073,741,824 bytes"


def test_a_fit_that_never_ends(folder: Path, troubled: Callable[[type], tuple[RefitJob, LabeledRows]]) -> None:
    """The time limit ends it."""
    error = failing(folder, *troubled(Endless), timeout_s=8.0)

    assert error.fault is TrainingFault.TIMED_OUT
    assert error.detail == "the fit took longer than 8 s"
    assert fits_under(os.getpid()) == []


def test_a_fit_that_falls(folder: Path, troubled: Callable[[type], tuple[RefitJob, LabeledRows]]) -> None:
    """A signal that ends the process is named."""
    error = failing(folder, *troubled(Falling))

    assert (error.fault, error.detail) == (TrainingFault.CRASHED, "the fit was ended by SIGABRT")


def test_a_fit_that_raises(folder: Path, troubled: Callable[[type], tuple[RefitJob, LabeledRows]]) -> None:
    """The estimator's own words come back."""
    error = failing(folder, *troubled(Raising))

    assert error.fault is TrainingFault.FIT_REFUSED
    assert error.detail == "the fit raised ValueError: these rows are not to my taste"


def test_a_bundle_that_was_changed_is_not_refitted(
    tmp_path: Path, folder: Path, shelf: Shelf, served: VersionRecord, hours: list[OutcomeRow]
) -> None:
    """The process checks the bundle as a worker does."""
    rows = window_of(hours, shelf, served)
    path = tmp_path / "registry" / "bundles" / served.bundle / "estimator.skops"
    path.write_bytes(path.read_bytes()[:-1] + b"?")

    error = failing(folder, job_for(tmp_path / "registry", served, rows), rows)

    assert error.fault is TrainingFault.VERSION_UNUSABLE
    assert "check 'hash' failed" in error.detail


def test_what_is_not_wanted_any_more_is_given_up(
    folder: Path, troubled: Callable[[type], tuple[RefitJob, LabeledRows]]
) -> None:
    """A veto, or the end of the trainer, ends the fit with no version and no fault."""
    job, rows = troubled(Endless)
    asked: list[float] = []

    def wanted() -> bool:
        asked.append(time.monotonic())
        return len(asked) < 5

    done = FitProcess(timeout_s=DEADLINE_S).run(folder, job, rows, wanted=wanted)

    assert not done
    assert fits_under(os.getpid()) == []


def test_a_fit_ends_with_the_process_that_waits_for_it(
    folder: Path, troubled: Callable[[type], tuple[RefitJob, LabeledRows]]
) -> None:
    """A trainer that is killed leaves no fit behind."""
    job, rows = troubled(Endless)
    job.write(folder)
    write_rows(folder / ROWS, rows)
    waiting = subprocess.Popen([sys.executable, "-m", "tests.trainer.waiting", str(folder)], cwd=ROOT)
    try:
        assert wait_until(lambda: bool(fits_under(waiting.pid)), timeout_s=DEADLINE_S)
        (fit,) = fits_under(waiting.pid)
    finally:
        waiting.kill()
        waiting.wait()

    assert wait_until(lambda: "refit_process" not in command_line(fit), timeout_s=DEADLINE_S)


def fits_under(pid: int) -> list[int]:
    return [child for child in descendants(pid) if "refit_process" in command_line(child)]
