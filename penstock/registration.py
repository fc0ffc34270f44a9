"""A fitted estimator onto the shelf in one call, as `penstock models add` does it with a file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock import wiring
from penstock.deployed import deployments, version_that_serves
from penstock.errors import ActiveVersionUnknownError
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
    holdout: "pd.DataFrame | None" = None,
    version: str | None = None,
    settings: Settings | None = None,
) -> VersionRecord:
    """Register and validate a fitted scikit-learn estimator; `sample` holds rows like those it was fitted on.

    `target` names the column of true values, `time` the one that orders the sample, `personal`
    those that are tokenized before publishing. It is judged on `holdout`, rows that it was not
    fitted on, beside the version that serves where the policy asks for that. Look at the record's
    state: a version that failed its validation is `rejected`. Raises `VersionRefusedError` when it
    can't be served at all.
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
        holdout=holdout,
        against=None if target is None else version_to_compare(where, name),
        version=version,
        registered_by=person(),
    )
    make_topics(where, name)
    return record


def version_to_compare(settings: Settings, name: str) -> str | None:
    """The version that serves now, where the policy asks for a comparison with it.

    Raises `ActiveVersionUnknownError` when nobody can say what serves.
    """
    if settings.policy.criteria.worse_by_max is None or not wiring.catalogue(settings).records(name):
        return None
    try:
        return version_that_serves(deployments(settings).get(name))
    except RuntimeShellError as error:
        raise ActiveVersionUnknownError(name, str(error)) from error


def make_topics(settings: Settings, name: str) -> str | None:
    """Make a model's topics when a broker answers; returns why not, and they are made on activation."""
    try:
        ensure_topics(attach(settings).kafka, settings.topics, [name])
    except RuntimeShellError as error:
        return str(error)
    return None
