"""The shelf: versions are added whole or not at all, verified, listed, and opened by workers.

A fitted estimator and a sample come in, a version record goes out; a worker names a version and
its bundle and gets it loaded, from the cache when the shelf's directory is away. Sequence of an
addition: (1) validate, (2) grow the schemas, (3) write the bundle, (4) the row in the catalogue,
(5) load the bundle as a worker would and record what was found.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from registry.approvals import approval_of
from registry.bundles import Bundle, sound_bundle, write_bundle
from registry.cache import BundleCache
from registry.catalogue import Addition, Catalogue, VersionRecord, VersionState
from registry.checks import Check, VerifyReport, libraries, load_version
from registry.errors import (
    BundleRefusedError,
    EstimatorRefusedError,
    ShelfUnavailableError,
    VersionNotFoundError,
    VersionRefusedError,
)
from registry.loaded import Estimator, LoadedVersion
from registry.manifest import ESTIMATOR, GOLDEN, Baseline, Manifest, file_entry
from registry.preparing import Prepared, SampleOptions, prepare
from registry.skops_file import LoadLimits, load_estimator, uncompressed_bytes
from registry.statements import SignedStatement
from registry.subjects import ModelSchemas
from registry.validation import Validation
from runtime.clock import Clock, SystemClock
from runtime.settings import PolicySettings, RegistrySettings
from schemas.registry_port import SchemaRegistry
from schemas.signature import Task
from schemas.topics import MODEL_NAME, Topics

VERSION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class Shelf:
    """The model versions in one directory; any number of processes may use it at once."""

    def __init__(
        self,
        directory: Path,
        *,
        schemas: SchemaRegistry,
        topics: Topics | None = None,
        settings: RegistrySettings | None = None,
        policy: PolicySettings | None = None,
        cache: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings or RegistrySettings()
        self._policy = policy or PolicySettings()
        self._limits = LoadLimits(trusted_types=self._settings.trusted_types, bytes_max=self._settings.bundle_bytes_max)
        self._bundles = directory / "bundles"
        self._catalogue = Catalogue(directory / "catalogue.sqlite")
        self._schemas = ModelSchemas(schemas, topics or Topics())
        self._cache = None if cache is None else BundleCache(cache)
        self._clock = clock or SystemClock()

    def add(
        self,
        name: str,
        estimator: Estimator,
        sample: pd.DataFrame,
        *,
        target: str | None = None,
        task: Task | None = None,
        time: str | None = None,
        personal: Sequence[str] = (),
        holdout: pd.DataFrame | None = None,
        against: str | None = None,
        version: str | None = None,
        parent: str | None = None,
        registered_by: str | None = None,
    ) -> VersionRecord:
        """Add a fitted estimator as a version, with the rows of `sample` as examples of its input.

        It is judged on `holdout`, else on the sample, beside the version `against`, which serves.
        Raises `VersionRefusedError` when it can't be served, saying what to change. A version that
        was added and failed its validation is returned in state rejected.
        """
        _refuse_bad_names(name, version)
        options = SampleOptions(target=target, task=task, time=time, personal=personal, holdout=holdout)
        active = None if against is None else self._to_compare(name, against)
        prepared = prepare(estimator, sample, options, limits=self._limits, active=active)
        self._schemas.check(name, prepared.signature)
        with self._catalogue.adding() as addition:
            record = self._place(addition, name, prepared, version, parent, registered_by)
        self.verify(name, record.version)
        return self.record(name, record.version)

    def add_refit(self, name: str, prepared: Prepared, *, parent: str, registered_by: str) -> VersionRecord:
        """Add what a refit prepared, once for its cause: asked again, the version that is there is returned.

        Raises `VersionRefusedError` as `add` does.
        """
        assert prepared.training is not None, "a refit knows what it was for"
        self._schemas.check(name, prepared.signature)
        with self._catalogue.adding() as addition:
            version = addition.refit_of(name, prepared.training.cause)
            if version is None:
                version = self._place(addition, name, prepared, None, parent, registered_by).version
                addition.name_cause(name, version, prepared.training.cause)
        self.verify(name, version)
        return self.record(name, version)

    def refit_of(self, name: str, cause: str) -> VersionRecord | None:
        """The version that was refitted for this cause, validated or rejected; None when there is none yet."""
        with self._catalogue.adding() as addition:
            version = addition.refit_of(name, cause)
        if version is None:
            return None
        self.verify(name, version)
        return self.record(name, version)

    def estimator_in(self, skops_path: Path) -> Estimator:
        """The estimator in a .skops file, to be added. Raises `EstimatorRefusedError`, naming types not allowed."""
        try:
            with skops_path.open("rb") as file:
                content = file.read(self._limits.bytes_max + 1)
        except OSError as error:
            raise EstimatorRefusedError(f"{skops_path} can't be read: {error.strerror}") from error
        try:
            return load_estimator(content, self._limits)
        except BundleRefusedError as error:
            raise EstimatorRefusedError(f"{skops_path} is refused: {error.detail}") from error

    def records(self, name: str | None = None) -> list[VersionRecord]:
        """Versions in the order they were added, of one model or of all."""
        return self._catalogue.records(name)

    def record(self, name: str, version: str) -> VersionRecord:
        """Raises `VersionNotFoundError`, and `ShelfUnavailableError` when the shelf can't be read."""
        return self._catalogue.record(name, version)

    def manifest(self, name: str, version: str) -> Manifest:
        """Raises `VersionNotFoundError` or `BundleRefusedError`."""
        return self._read(self.record(name, version)).manifest

    def verify(self, name: str, version: str) -> VerifyReport:
        """Run every check again. The first result decides a version that was only registered.

        Raises `VersionNotFoundError` or `ShelfUnavailableError`.
        """
        record = self.record(name, version)
        report = VerifyReport(name=name, version=version, checks=tuple(self._checks(record)))
        if record.state is VersionState.REGISTERED:
            state = VersionState.VALIDATED if report.passed else VersionState.REJECTED
            self._catalogue.settle(name, version, state=state, failure=report.failure, now=self._clock.now_ms())
        return report

    def open(self, name: str, version: str, *, bundle: str | None = None) -> LoadedVersion:
        """Load a version to serve; `bundle` is the hash that the deployment names.

        Raises `BundleRefusedError` naming the check that failed, and `ShelfUnavailableError` when
        the shelf can't be read and the cache has no copy.
        """
        found, approvals = self._fetch(name, version, bundle)
        approval = approval_of(found.subject, approvals, self._policy)
        if approval.lacking:
            raise BundleRefusedError("approvals", approval.lacking)
        return load_version(found, self._limits)

    def open_to_try(self, name: str, version: str, *, bundle: str | None = None) -> LoadedVersion:
        """Load a version to look at what it would answer: every check holds, but nobody has to have approved it.

        Raises as `open` does.
        """
        found, _ = self._fetch(name, version, bundle)
        return load_version(found, self._limits)

    def _to_compare(self, name: str, version: str) -> LoadedVersion | Baseline:
        """The version, or the word that it can't be compared with: a broken one must not keep a new one out."""
        try:
            return self.open_to_try(name, version)
        except BundleRefusedError as error:
            return Baseline(version=version, bundle="", failure=str(error))

    def _place(
        self,
        addition: Addition,
        name: str,
        prepared: Prepared,
        version: str | None,
        parent: str | None,
        registered_by: str | None,
    ) -> VersionRecord:
        """Steps 2 to 4, with the catalogue's write lock held: numbers are given once, schemas grow in order."""
        if version is not None:
            addition.require_free(name, version)
        number = version or addition.next_version(name)
        request_schema_id, prediction_schema_id = self._schemas.register(name, prepared.signature)
        manifest = self._manifest_of(name, number, prepared, parent or addition.newest(name), registered_by)
        files = {ESTIMATOR: prepared.estimator_file, GOLDEN: prepared.golden_file}
        bundle = write_bundle(self._bundles, manifest.encode(), files)
        record = VersionRecord(
            name=name,
            version=number,
            state=VersionState.REGISTERED,
            bundle=bundle,
            registered_at=manifest.registered_at,
            registered_by=registered_by,
            task=prepared.signature.task,
            request_schema_id=request_schema_id,
            prediction_schema_id=prediction_schema_id,
            metrics=prepared.judgment.metrics,
            failure="",
        )
        addition.insert(record)
        return record

    def _manifest_of(
        self, name: str, version: str, prepared: Prepared, parent: str | None, registered_by: str | None
    ) -> Manifest:
        unpacked = uncompressed_bytes(prepared.estimator_file)
        golden_bytes = len(prepared.golden_file)
        return Manifest(
            name=name,
            version=version,
            parent=parent,
            registered_at=self._clock.now_ms(),
            registered_by=registered_by,
            signature=prepared.signature,
            label_rule=prepared.label_rule,
            estimator=prepared.estimator,
            files=(
                file_entry(ESTIMATOR, prepared.estimator_file, unpacked_bytes=unpacked),
                file_entry(GOLDEN, prepared.golden_file, unpacked_bytes=golden_bytes),
            ),
            libraries=libraries(),
            sample=prepared.sample,
            metrics=dict(prepared.judgment.metrics),
            metrics_of=prepared.judgment.metrics_of,
            profile=prepared.profile,
            golden_rows=prepared.golden_rows,
            holdout=prepared.judgment.holdout,
            baseline=prepared.judgment.baseline,
            training=prepared.training,
        )

    def _checks(self, record: VersionRecord) -> list[Check]:
        try:
            bundle = self._read(record)
        except BundleRefusedError as error:
            return [Check(name=error.check, passed=False, detail=error.detail)]
        validation = Validation(
            bundle,
            limits=self._limits,
            policy=self._policy,
            load_timeout_s=self._settings.load_timeout_s,
            request_schema=lambda: self._schemas.check_registered(record, bundle.manifest.signature),
        )
        found = Check(name="hash", passed=True, detail=f"{len(bundle.files) + 1} files as registered")
        return [found, *validation.checks()]

    def _read(self, record: VersionRecord) -> Bundle:
        return sound_bundle(self._bundles, record.bundle, bytes_max=self._limits.bytes_max)

    def _fetch(self, name: str, version: str, bundle: str | None) -> tuple[Bundle, list[SignedStatement]]:
        """The bundle's bytes and its approvals, from the shelf or from the cache when the shelf is away."""
        try:
            record = self._validated(name, version, bundle)
            found, approvals = self._read(record), self._catalogue.approvals(name, version)
        except ShelfUnavailableError:
            cached = None if self._cache is None else self._cache.find(name, version, bundle, limits=self._limits)
            if self._cache is None or cached is None:
                raise
            return _called(cached, name, version), self._cache.approvals(name, version)
        if self._cache is not None:
            self._cache.keep(_called(found, name, version), approvals)
        return _called(found, name, version), approvals

    def _validated(self, name: str, version: str, bundle: str | None) -> VersionRecord:
        try:
            record = self.record(name, version)
        except VersionNotFoundError as error:
            raise BundleRefusedError("state", str(error)) from error
        if record.state is not VersionState.VALIDATED:
            why = f": {record.failure}" if record.failure else ""
            raise BundleRefusedError("state", f"version {version} of {name} is {record.state.value}{why}")
        if bundle is not None and bundle != record.bundle:
            detail = f"version {version} of {name} is bundle {record.bundle[:16]}..., not {bundle[:16]}..."
            raise BundleRefusedError("hash", detail)
        return record


def _called(bundle: Bundle, name: str, version: str) -> Bundle:
    """The bundle, if its manifest says that it is that version. Raises `BundleRefusedError`."""
    found = bundle.manifest
    if (found.name, found.version) != (name, version):
        detail = f"it is version {found.version} of {found.name}, not {version} of {name}"
        raise BundleRefusedError("manifest", detail)
    return bundle


def _refuse_bad_names(name: str, version: str | None) -> None:
    if not MODEL_NAME.fullmatch(name):
        raise VersionRefusedError(
            f"{name!r} can't name a model: use lower-case letters, digits, - and _, at most 63, starting with no - or _"
        )
    if version is not None and not VERSION_NAME.fullmatch(version):
        raise VersionRefusedError(f"{version!r} can't name a version: use letters, digits, dots, - and _, at most 63")
