"""Prepares the stage: a fresh directory, the flights, two trained versions on the shelf."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from penstock import wiring
from penstock.demo.training import TARGET, first_version, fitted, second_version
from penstock.errors import DemoFailedError
from penstock.person import person
from producers.sources.flight_table import load_flights
from producers.sources.flights import CLASSES, DEPARTED_AT, training_sample
from registry.catalogue import VersionState
from runtime.settings import Settings
from runtime.stack import find_stack

MODEL = "flights"
_MARKER = ".penstock-demo"
_TRAINING_MONTHS = 3

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The flights to replay, the versions to serve, first and second, and what these have learned from."""

    flights: pd.DataFrame
    versions: tuple[str, str]
    sample: pd.DataFrame


def fresh_directory(path: Path, settings: Settings) -> None:
    """Make the demo's directory anew; one that no demo made is never touched.

    Raises `DemoFailedError` for a directory of somebody else, or one that a stack runs on.
    """
    if find_stack(settings) is not None:
        raise DemoFailedError(f"a stack runs on {path}: stop it first, or give another --data-dir")
    if path.exists() and any(path.iterdir()):
        if not (path / _MARKER).exists():
            raise DemoFailedError(f"{path} is not empty and no demo made it: give another --data-dir")
        shutil.rmtree(path)
    path.mkdir(parents=True, exist_ok=True)
    (path / _MARKER).write_text("made by `penstock demo`, which empties this directory when it starts\n")


def prepare(settings: Settings, *, tell: Tell) -> Scene:
    """Load the flights, train on January to March, register both versions."""
    flights = load_flights()
    tell(f"{len(flights):,} flights of 2013, with weather and planes")
    sample = training_sample(flights[flights["month"] <= _TRAINING_MONTHS], TARGET)
    versions = tuple(_registered(settings, build(), sample, tell) for build in (first_version, second_version))
    assert len(versions) == 2, "two versions were built"
    return Scene(flights=flights[flights["month"] > _TRAINING_MONTHS], versions=versions, sample=sample)


def register_bad(settings: Settings, scene: Scene, *, tell: Tell) -> str:
    """Register a version that has learned its labels turned round; return its number."""
    turned = dict(zip(CLASSES, reversed(CLASSES), strict=True))
    sample = scene.sample.assign(**{TARGET: scene.sample[TARGET].map(turned)})
    return _registered(settings, first_version(), sample, tell)


def _registered(settings: Settings, pipeline: Pipeline, sample: pd.DataFrame, tell: Tell) -> str:
    """Fit, register and validate one version; return its number."""
    started = time.monotonic()
    # One thread: OpenMP's wait for each other by spinning, which the stack beside us can't afford.
    with threadpool_limits(limits=1):
        record = wiring.shelf(settings).add(
            MODEL, fitted(pipeline, sample), sample, target=TARGET, time=DEPARTED_AT, registered_by=person()
        )
    if record.state is not VersionState.VALIDATED:
        raise DemoFailedError(f"version {record.version} did not pass validation: {record.failure}")
    estimator = type(pipeline[-1]).__name__
    metrics = ", ".join(f"{name} {value:.3f}" for name, value in sorted(record.metrics.items()) if name != "rows")
    tell(
        f"version {record.version}: {estimator}, trained, registered, validated in "
        f"{time.monotonic() - started:.0f} s ({metrics})"
    )
    return record.version
