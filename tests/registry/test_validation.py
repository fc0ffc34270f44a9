"""Validation: budgets and criteria of the policy, on the holdout and beside the active version."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from registry.catalogue import VersionState
from registry.errors import EstimatorRefusedError, SampleError
from registry.shelf import Shelf
from runtime.settings import BudgetSettings, CriteriaSettings, PolicySettings
from schemas.directory_registry import DirectoryRegistry
from tests.registry.samples import COLUMNS, doubles, flights, halves, late_model


def shelf_with(tmp_path: Path, **policy: object) -> Shelf:
    schemas = DirectoryRegistry(tmp_path / "schemas.sqlite")
    return Shelf(tmp_path / "registry", schemas=schemas, policy=PolicySettings(**policy))  # type: ignore[arg-type]  # sections by name


def asking(tmp_path: Path, **bounds: float) -> Shelf:
    return shelf_with(tmp_path, criteria=CriteriaSettings(**bounds))  # type: ignore[arg-type]  # bounds by name


def detail_of(shelf: Shelf, check: str, version: str = "1") -> str:
    return next(each.detail for each in shelf.verify("late", version).checks if each.name == check)


def test_a_version_that_meets_the_criteria_is_validated(tmp_path: Path) -> None:
    """Every figure is told beside its bound."""
    shelf = asking(tmp_path, accuracy_min=0.7, recall_min=0.3)

    record = shelf.add("late", late_model(), flights(), target="late")

    assert record.state is VersionState.VALIDATED
    assert detail_of(shelf, "policy").startswith("on the sample: accuracy 0.")
    assert "recall" in detail_of(shelf, "policy")


def test_a_version_that_misses_a_criterion_is_rejected_and_says_which(tmp_path: Path) -> None:
    """The failure names the metric with figure and bound, and not those that hold."""
    record = asking(tmp_path, accuracy_min=0.7, precision_min=0.999).add("late", late_model(), flights(), target="late")

    assert record.state is VersionState.REJECTED
    assert record.failure.startswith("check 'policy' failed: on the sample: precision 0.")
    assert "is below 0.999 (policy.criteria.precision_min)" in record.failure
    assert "accuracy" not in record.failure


def test_the_holdout_judges_where_there_is_one(tmp_path: Path) -> None:
    """The figures are of the holdout, and the manifest keeps its fingerprint, not its rows."""
    shelf = asking(tmp_path, accuracy_min=0.5)
    holdout = flights(300, seed=21)
    model = late_model()

    shelf.add("late", model, flights(), target="late", holdout=holdout)
    manifest = shelf.manifest("late", "1")

    assert manifest.metrics["accuracy"] == pytest.approx(np.mean(model.predict(holdout[COLUMNS]) == holdout["late"]))
    assert manifest.metrics_of == "the holdout"
    assert manifest.holdout is not None
    assert (manifest.holdout.rows, manifest.holdout.target) == (300, "late")
    assert manifest.holdout.sha256 != manifest.sample.sha256
    assert detail_of(shelf, "policy").startswith("on the holdout: ")


def test_a_worse_version_is_rejected_beside_the_active_one(tmp_path: Path) -> None:
    """Both are scored on the very same rows; the worse one passes where the policy allows that much."""
    sample, holdout = flights(), flights(400, seed=21)
    shuffled = sample.assign(late=sample["late"].sample(frac=1.0, random_state=5).to_numpy())
    shelf = asking(tmp_path, worse_by_max=0.01)
    shelf.add("late", late_model(), sample, target="late", holdout=holdout)

    same = shelf.add("late", late_model(), sample, target="late", holdout=holdout, against="1")
    worse = shelf.add("late", late_model(shuffled), sample, target="late", holdout=holdout, against="1")
    allowed = asking(tmp_path, worse_by_max=0.9).add(
        "late", late_model(shuffled), sample, target="late", holdout=holdout, against="1"
    )
    first, second = shelf.manifest("late", "1"), shelf.manifest("late", "2")

    assert (same.state, allowed.state) == (VersionState.VALIDATED, VersionState.VALIDATED)
    assert worse.state is VersionState.REJECTED
    assert "of version 1, worse by more than 0.01 (policy.criteria.worse_by_max)" in worse.failure
    assert second.baseline is not None
    assert second.baseline.metrics == first.metrics
    assert second.baseline.bundle == shelf.record("late", "1").bundle


def test_rows_that_the_active_version_can_not_score_are_left_out_for_both(tmp_path: Path) -> None:
    """A version without gaps is compared on rows without gaps."""
    full = flights().dropna()
    shelf = asking(tmp_path, worse_by_max=0.05)
    shelf.add("late", late_model(full), full, target="late")

    shelf.add("late", late_model(), flights(), target="late", against="1")
    baseline = shelf.manifest("late", "2").baseline

    assert baseline is not None
    assert baseline.failure == ""
    assert baseline.metrics["rows"] == baseline.candidate_metrics["rows"] == len(full)


def test_an_active_version_that_can_not_be_compared_is_named(tmp_path: Path) -> None:
    """It lacks a column, or it is damaged: with the criterion the new one is rejected, without it not."""
    sample = flights()
    shelf = asking(tmp_path, worse_by_max=0.0, rows_min=1)
    shelf.add("late", late_model(), sample, target="late")
    narrow = LogisticRegression().fit(sample[["delay"]], sample["late"])
    less = sample[["delay", "late"]]

    rejected = shelf.add("late", narrow, less, target="late", against="1")
    folder = tmp_path / "registry" / "bundles" / shelf.record("late", "1").bundle
    (folder / "golden.arrow").write_bytes(b"no vectors")
    damaged = shelf.add("late", late_model(), sample, target="late", against="1")
    unasked = shelf_with(tmp_path).add("late", late_model(), sample, target="late", against="1")

    assert "it can't be compared with version 1: column 'distance, temperature" in rejected.failure
    assert "it can't be compared with version 1: check 'hash' failed" in damaged.failure
    assert unasked.state is VersionState.VALIDATED


def test_a_holdout_that_judges_nothing_is_refused(tmp_path: Path) -> None:
    """Without the target, without a column, or with rows that the sample says can't come."""
    shelf = shelf_with(tmp_path)
    full = flights().dropna()

    with pytest.raises(SampleError, match="'late' is not in the holdout"):
        shelf.add("late", late_model(), flights(), target="late", holdout=flights()[COLUMNS])
    with pytest.raises(SampleError, match="'carrier' is missing from the holdout"):
        shelf.add("late", late_model(), flights(), target="late", holdout=flights().drop(columns="carrier"))
    with pytest.raises(EstimatorRefusedError, match=r"row 0 of the holdout does not fit: .*temperature"):
        shelf.add("late", late_model(full), full, target="late", holdout=flights())


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ({"latency_one_ms_max": 1e-6}, "one row took .* ms and policy.budget.latency_one_ms_max is 1e-06"),
        ({"latency_thousand_ms_max": 1e-6}, "^check 'latency' failed: 1,000 rows took .* ms and policy.budget"),
    ],
)
def test_a_version_beyond_its_time_is_rejected(tmp_path: Path, budget: dict[str, float], words: str) -> None:
    """For one row or for a thousand: the setting is named with what was measured."""
    shelf = shelf_with(tmp_path, budget=BudgetSettings(**budget))  # type: ignore[arg-type]  # bounds by name

    record = shelf.add("late", late_model(), flights())

    assert record.state is VersionState.REJECTED
    assert re.search(words, record.failure)


def test_a_version_beyond_its_memory_is_rejected(tmp_path: Path) -> None:
    """What loading takes is measured, not what the file says: zeros pack to almost nothing."""
    sample = doubles()
    model = LogisticRegression().fit(sample, halves(sample))
    model.ballast_ = np.zeros(16_000_000)
    shelf = shelf_with(tmp_path, budget=BudgetSettings(memory_bytes_max=64 << 20))

    record = shelf.add("late", model, sample)
    light = shelf.add("late", LogisticRegression().fit(sample, halves(sample)), sample)

    assert record.state is VersionState.REJECTED
    assert re.search(r"took \d{3},\d{3},\d{3} bytes and policy.budget.memory_bytes_max is 67,108,864$", record.failure)
    assert light.state is VersionState.VALIDATED


def test_a_manifest_without_the_newer_fields_is_read(tmp_path: Path) -> None:
    """Bundles that were written before there were holdouts stay good."""
    shelf = shelf_with(tmp_path)
    shelf.add("late", late_model(), flights())
    manifest = shelf.manifest("late", "1")
    content = manifest.encode().replace(b'"baseline":null,', b"").replace(b'"holdout":null,', b"")

    assert len(content) < len(manifest.encode())
    assert type(manifest).decode(content) == manifest
