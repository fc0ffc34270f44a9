"""A fitted estimator onto the shelf in one call, as `penstock models add` does it with a file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock import wiring
from penstock.person import person
from registry.catalogue import VersionRecord
from runtime.errors import RuntimeShellError
from runtime.kafka import ensure_topics
from runtime.settings import Settings, load_settings
from runtime.stack import attach
from schemas.signature import Task

if TYPE_CHECKING:
    import pandas as pd

    from registry.loaded import Estimator


def add_model(
    name: str,
    estimator: "Estimator",
    sample: "pd.DataFrame",
    *,
    target: str | None = None,
    task: Task | None = None,
    time: str | None = None,
    personal: Sequence[str] = (),
    version: str | None = None,
    settings: Settings | None = None,
) -> VersionRecord:
    """Register and validate a fitted scikit-learn estimator; `sample` holds rows like those it was fitted on.

    `target` names the column of true values, `time` the one that orders the sample, `personal`
    those that are tokenized before publishing. Look at the record's state: a version that failed
    its validation is `rejected`. Raises `VersionRefusedError` when it can't be served at all.
    """
    where = settings or load_settings()
    record = wiring.shelf(where).add(
        name,
        estimator,
        sample,
        target=target,
        task=task,
        time=time,
        personal=personal,
        version=version,
        registered_by=person(),
    )
    make_topics(where, name)
    return record


def make_topics(settings: Settings, name: str) -> str | None:
    """Make a model's topics when a broker answers; returns why not, and they are made on activation."""
    try:
        ensure_topics(attach(settings).kafka, settings.topics, [name])
    except RuntimeShellError as error:
        return str(error)
    return None
