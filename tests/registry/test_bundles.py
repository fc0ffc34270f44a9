"""A worker refuses what is not as it was added, and says which check failed."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from registry.bundles import Bundle, read_bundle, write_bundle
from registry.catalogue import VersionRecord, VersionState
from registry.checks import load_version
from registry.errors import BundleRefusedError, EstimatorError, EstimatorRefusedError
from registry.golden import GoldenVectors, decode_golden, encode_golden
from registry.manifest import ESTIMATOR, GOLDEN, MANIFEST, file_entry
from registry.sampling import as_features
from registry.shelf import Shelf
from registry.skops_file import LoadLimits, dump_estimator, load_estimator, uncompressed_bytes
from schemas.reasons import Reason
from tests.registry.samples import COLUMNS, doubles, flights, halves, late_model, preprocessing, shouting

LIMITS = LoadLimits()


@pytest.fixture
def record(shelf: Shelf) -> VersionRecord:
    return shelf.add("late", late_model(), flights())


@pytest.fixture
def folder(record: VersionRecord, tmp_path: Path) -> Path:
    return tmp_path / "registry" / "bundles" / record.bundle


def forged(bundle: Bundle, changes: Mapping[str, bytes], *, sklearn: str | None = None) -> Bundle:
    """The bundle with other files and hashes that fit, as whoever can write to the shelf could make it."""
    files = {**bundle.files, **changes}
    libraries = dict(bundle.manifest.libraries)
    if sklearn is not None:
        libraries["scikit-learn"] = sklearn
    entries = tuple(file_entry(name, content, unpacked_bytes=len(content)) for name, content in files.items())
    manifest = replace(bundle.manifest, files=entries, libraries=libraries)
    return Bundle(sha256="f" * 64, manifest_bytes=manifest.encode(), manifest=manifest, files=files)


def refusal(bundle: Bundle) -> str:
    with pytest.raises(BundleRefusedError) as refused:
        load_version(bundle, LIMITS)
    return refused.value.check


def wrong_golden(bundle: Bundle, difference: float) -> bytes:
    golden = decode_golden(bundle.files[GOLDEN], bundle.manifest.signature)
    scores = golden.scores.scores.copy()
    scores[17] += difference
    return encode_golden(GoldenVectors(features=golden.features, scores=replace(golden.scores, scores=scores)))


@pytest.mark.parametrize("file", [MANIFEST, ESTIMATOR, GOLDEN])
@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_a_flipped_byte_in_any_file(shelf: Shelf, record: VersionRecord, folder: Path, file: str, place: float) -> None:
    """One bit is enough, wherever it is."""
    content = bytearray((folder / file).read_bytes())
    content[int(place * len(content))] ^= 1
    (folder / file).write_bytes(bytes(content))

    with pytest.raises(BundleRefusedError) as refused:
        shelf.open("late", "1", bundle=record.bundle)
    report = shelf.verify("late", "1")

    assert refused.value.check == "hash"
    assert next(check.name for check in report.checks if not check.passed) == "hash"
    assert file in refused.value.detail


def test_a_file_that_is_missing_or_too_many(shelf: Shelf, record: VersionRecord, folder: Path) -> None:
    """A bundle has the files of its manifest, no more and no less."""
    (folder / "extra.pkl").write_bytes(b"x")
    with pytest.raises(BundleRefusedError, match=r"extra\.pkl is not in the manifest"):
        shelf.open("late", "1", bundle=record.bundle)
    (folder / "extra.pkl").unlink()

    (folder / GOLDEN).unlink()
    with pytest.raises(BundleRefusedError, match=r"golden\.arrow is missing"):
        shelf.open("late", "1", bundle=record.bundle)


def test_another_bundle_than_the_deployment_names(shelf: Shelf, record: VersionRecord) -> None:
    """The hash in the deployment is what counts."""
    other = shelf.add("late", late_model(), flights())

    with pytest.raises(BundleRefusedError, match="check 'hash' failed"):
        shelf.open("late", "1", bundle=other.bundle)


def test_a_version_that_is_not_there(shelf: Shelf, record: VersionRecord) -> None:
    """A version that the catalogue does not have is refused for its state."""
    with pytest.raises(BundleRefusedError, match=r"check 'state' failed: there is no version '9'"):
        shelf.open("late", "9", bundle=record.bundle)


def test_a_version_that_validation_rejected(shelf: Shelf, record: VersionRecord) -> None:
    """A rejected version is not opened, and says why it was rejected."""
    shelf._catalogue.settle("late", "1", state=VersionState.REJECTED, failure="check 'golden' failed: far off", now=1)

    with pytest.raises(BundleRefusedError, match=r"check 'state' failed: version 1 of late is rejected: .*far off"):
        shelf.open("late", "1", bundle=record.bundle)


def test_validation_rejects_what_does_not_hold(shelf: Shelf, record: VersionRecord, folder: Path) -> None:
    """A version that was only registered is rejected by the first verification that fails."""
    shelf._catalogue.settle("late", "1", state=VersionState.REGISTERED, failure="", now=1)
    (folder / GOLDEN).write_bytes(b"no vectors")

    report = shelf.verify("late", "1")
    after = shelf.record("late", "1")

    assert not report.passed
    assert (after.state, after.failure) == (VersionState.REJECTED, report.failure)


def test_edited_weights(shelf: Shelf, record: VersionRecord) -> None:
    """Another estimator under hashes that fit is found out by the golden vectors."""
    bundle = shelf._read(record)
    other = late_model(flights(seed=8))

    assert refusal(forged(bundle, {ESTIMATOR: dump_estimator(other)})) == "golden"


@pytest.mark.parametrize("difference,passes", [(1e-10, True), (1e-8, False), (float("nan"), False)])
def test_golden_vectors_within_the_tolerance(
    shelf: Shelf,
    record: VersionRecord,
    difference: float,
    passes: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    """Differences up to 1e-9 pass, since bits may differ across machines; more does not, nor does NaN."""
    bundle = forged(shelf._read(record), {GOLDEN: wrong_golden(shelf._read(record), difference)})

    if passes:
        assert load_version(bundle, LIMITS).version == "1"
    else:
        assert refusal(bundle) == "golden"


def test_another_scikit_learn(shelf: Shelf, record: VersionRecord) -> None:
    """Another scikit-learn passes where the golden vectors hold, and is named as the cause where not."""
    bundle = shelf._read(record)

    assert load_version(forged(bundle, {}, sklearn="1.0.2"), LIMITS).name == "late"
    assert refusal(forged(bundle, {GOLDEN: wrong_golden(bundle, 0.1)}, sklearn="1.0.2")) == "libraries"


def test_another_signature(shelf: Shelf, record: VersionRecord) -> None:
    """An estimator of other columns is refused before it scores."""
    bundle = shelf._read(record)
    sample = doubles()
    other = LogisticRegression().fit(sample, halves(sample))

    assert refusal(forged(bundle, {ESTIMATOR: dump_estimator(other)})) == "signature"


def test_a_bomb(shelf: Shelf, record: VersionRecord) -> None:
    """A small file that unpacks to a large one is refused before it is unpacked."""
    bundle = shelf._read(record)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b"{}")
        archive.writestr("1.npy", b"\0" * (64 << 20))
    limits = LoadLimits(bytes_max=32 << 20)

    with pytest.raises(BundleRefusedError, match="check 'size' failed: it unpacks to 67,"):
        load_version(forged(bundle, {ESTIMATOR: packed.getvalue()}), limits)


def test_a_bomb_within(shelf: Shelf, record: VersionRecord) -> None:
    """A sparse matrix is an archive inside the archive, and counts with what it unpacks to."""
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", b"\0" * (64 << 20))
    with zipfile.ZipFile(outer, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.npz", inner.getvalue())

    assert uncompressed_bytes(outer.getvalue()) > 64 << 20


def test_a_bomb_of_text() -> None:
    """The description of the objects is bounded by itself, since reading text takes many times its size."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b" " * ((128 << 20) + 1))

    with pytest.raises(BundleRefusedError, match=r"schema\.json unpacks to more than"):
        load_estimator(packed.getvalue(), LIMITS)


def test_a_bundle_whose_manifest_owns_up_to_too_much(shelf: Shelf, record: VersionRecord, tmp_path: Path) -> None:
    """A bundle beyond the limit is refused before its files are read."""
    with pytest.raises(BundleRefusedError, match="check 'size' failed"):
        read_bundle(tmp_path / "registry" / "bundles", record.bundle, bytes_max=1_000)


def test_an_injected_command(shelf: Shelf, record: VersionRecord) -> None:
    """A file that names os.system is refused by its types, and nothing runs."""
    bundle = shelf._read(record)
    content = with_schema(bundle.files[ESTIMATOR], '"LogisticRegression"', '"system"', module="posix")

    assert refusal(forged(bundle, {ESTIMATOR: content})) == "types"


def with_schema(content: bytes, old: str, new: str, *, module: str) -> bytes:
    """The file with a class in its schema replaced by another of that module."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(packed, "w") as after:
        for name in before.namelist():
            body = before.read(name)
            if name == "schema.json":
                text = json.dumps(json.loads(body))
                start = text.index(old)
                text = text[:start] + new + text[start + len(old) :]
                text = text.replace('"sklearn.linear_model._logistic"', f'"{module}"')
                body = text.encode()
            after.writestr(name, body)
    return packed.getvalue()


def test_a_tree_that_leads_out_of_its_table() -> None:
    """Trusted types with node indices out of bounds would end the process; they are refused instead."""
    sample = doubles()
    model = RandomForestClassifier(3, random_state=0).fit(sample, halves(sample))
    sound = load_estimator(dump_estimator(model), LIMITS)
    model.estimators_[1].tree_.children_left[0] = 10**9
    child = dump_estimator(model)
    model.estimators_[1].tree_.children_left[0] = 1
    model.estimators_[1].tree_.feature[0] = 400
    feature = dump_estimator(model)

    assert np.mean(sound.predict(sample) == halves(sample)) > 0.9
    with pytest.raises(BundleRefusedError, match="child is out of bounds"):
        load_estimator(child, LIMITS)
    with pytest.raises(BundleRefusedError, match="feature that is not there"):
        load_estimator(feature, LIMITS)


def test_types_that_a_deployment_trusts() -> None:
    """A setting extends the allow-list; without it the type is named."""
    sample = doubles()
    model = make_pipeline(FunctionTransformer(shouting), LogisticRegression()).fit(sample, halves(sample))
    content = dump_estimator(model)
    name = f"{shouting.__module__}.shouting"

    with pytest.raises(BundleRefusedError, match=name):
        load_estimator(content, LIMITS)
    assert load_estimator(content, LoadLimits(trusted_types=(name,))) is not None


def test_what_the_estimator_raises(shelf: Shelf) -> None:
    """An unknown category has a reason of its own; anything else is the estimator's error."""
    sample = flights().dropna()
    model = make_pipeline(preprocessing(unknown="error"), LogisticRegression()).fit(sample[COLUMNS], sample["late"])
    record = shelf.add("late", model, sample)
    version = shelf.open("late", record.version, bundle=record.bundle)
    frame, _ = version.fit(as_features(sample.assign(origin="LAX"), version.signature))

    with pytest.raises(EstimatorError) as unknown:
        version.score(frame)
    with pytest.raises(EstimatorError) as broken:
        version.score(frame[["delay"]])  # type: ignore[index]  # a DataFrame

    assert unknown.value.reason is Reason.UNKNOWN_CATEGORY
    assert "LAX" in unknown.value.detail
    assert broken.value.reason is Reason.ESTIMATOR_ERROR


def test_a_bundle_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """A write that breaks off leaves nothing that could be taken for a bundle."""
    with pytest.raises(TypeError):
        write_bundle(tmp_path, b"{}", {"a": b"1", "b": None})  # type: ignore[dict-item]  # the fault

    assert list(tmp_path.iterdir()) == []


def test_an_estimator_that_can_not_be_saved(shelf: Shelf) -> None:
    """A function without a name can't be in a file, and the sentence says so."""
    sample = doubles()
    model = make_pipeline(FunctionTransformer(lambda values: values), LogisticRegression()).fit(sample, halves(sample))

    with pytest.raises(EstimatorRefusedError):
        shelf.add("model", model, sample)
