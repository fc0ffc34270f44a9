"""What must hold before a bundle is believed, check by check, in order.

A bundle whose hashes hold comes in; a loaded version, or the name of the check that failed and
what was found, goes out. Workers stop at the first failure; `verify` reports every check.
"""

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata

import pyarrow as pa

from registry.bundles import Bundle
from registry.errors import BundleRefusedError, EstimatorRefusedError
from registry.estimators import estimator_facts
from registry.golden import GoldenVectors, check_golden, decode_golden
from registry.loaded import Estimator, LoadedVersion
from registry.manifest import ESTIMATOR, GOLDEN, Manifest
from registry.skops_file import LoadLimits, check_size, check_types, load_estimator, uncompressed_bytes
from schemas.signature import Container

LIBRARIES = ("scikit-learn", "skops", "numpy", "scipy", "pandas", "pyarrow")
DECISIVE_LIBRARY = "scikit-learn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of a bundle: did it pass, and what was found."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """All checks of one version, in order."""

    name: str
    version: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failure(self) -> str:
        """The first failure in words, empty when there is none."""
        return next((f"check {check.name!r} failed: {check.detail}" for check in self.checks if not check.passed), "")


def libraries() -> dict[str, str]:
    """The versions that a score may depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in LIBRARIES}}


def load_version(bundle: Bundle, limits: LoadLimits) -> LoadedVersion:
    """The version in a bundle. Raises `BundleRefusedError` naming the first check that fails."""
    inspection = Inspection(bundle, limits)
    for check in inspection.steps.values():
        check()
    return inspection.loaded()


class Inspection:
    """The checks of one bundle; each step relies on those before it and says what it found."""

    def __init__(self, bundle: Bundle, limits: LoadLimits) -> None:
        self._bundle = bundle
        self._manifest: Manifest = bundle.manifest
        self._limits = limits
        self._estimator: Estimator | None = None
        self.load_s = 0.0
        self._golden_vectors: GoldenVectors | None = None
        self.steps: Mapping[str, Callable[[], str]] = {
            "size": self._size,
            "types": self._types,
            "load": self._load,
            "signature": self._signature,
            "libraries": self._libraries,
            "golden": self._golden,
        }

    def loaded(self) -> LoadedVersion:
        return LoadedVersion(
            name=self._manifest.name,
            version=self._manifest.version,
            bundle=self._bundle.sha256,
            signature=self._manifest.signature,
            estimator=self._fitted,
            label_rule=self._manifest.label_rule,
            binning=self._manifest.profile.binning,
            block_rows=self._manifest.profile.judged_rows,
        )

    @property
    def golden_rows(self) -> pa.RecordBatch:
        """The features of the golden vectors, once they were checked."""
        assert self._golden_vectors is not None, "the check `golden` comes first"
        return self._golden_vectors.features

    @property
    def _fitted(self) -> Estimator:
        assert self._estimator is not None, "the check `load` comes first"
        return self._estimator

    @property
    def _content(self) -> bytes:
        self._manifest.entry(ESTIMATOR)
        return self._bundle.files[ESTIMATOR]

    def _size(self) -> str:
        check_size(self._content, self._limits)
        return f"unpacks to {uncompressed_bytes(self._content):,} bytes"

    def _types(self) -> str:
        check_types(self._content, self._limits)
        return "all on the allow-list"

    def _load(self) -> str:
        started = time.perf_counter()
        self._estimator = load_estimator(self._content, self._limits)
        self.load_s = time.perf_counter() - started
        return f"{type(self._estimator).__name__} in {self.load_s * 1000:.0f} ms"

    def _signature(self) -> str:
        signature = self._manifest.signature
        try:
            facts = estimator_facts(self._fitted, task=signature.task)
        except EstimatorRefusedError as error:
            raise BundleRefusedError("signature", str(error)) from error
        names = signature.names if signature.container is Container.DATAFRAME else None
        features = len(signature.names) if facts.features is not None else None
        if facts.columns != names or facts.features != features or facts.classes != signature.classes:
            raise BundleRefusedError("signature", "the estimator's columns or classes are not the signature's")
        return f"{len(signature.names)} features, {signature.task.value}"

    def _libraries(self) -> str:
        """Another scikit-learn is an error unless the golden vectors hold."""
        now = libraries()
        then = self._manifest.libraries
        if then.get(DECISIVE_LIBRARY) == now[DECISIVE_LIBRARY]:
            others = [f"{name} {then.get(name)} -> {now[name]}" for name in now if then.get(name) != now[name]]
            return "the same" if not others else f"{DECISIVE_LIBRARY} is the same; {', '.join(others)}"
        change = f"{DECISIVE_LIBRARY} {then.get(DECISIVE_LIBRARY)} when added, {now[DECISIVE_LIBRARY]} here"
        try:
            self._golden()
        except BundleRefusedError as error:
            detail = f"{change}, and the golden vectors do not hold: {error.detail}"
            raise BundleRefusedError("libraries", detail) from error
        return f"{change}, and the golden vectors hold"

    def _golden(self) -> str:
        self._manifest.entry(GOLDEN)
        self._golden_vectors = decode_golden(self._bundle.files[GOLDEN], self._manifest.signature)
        return check_golden(self._golden_vectors, self._fitted, self._manifest.signature, self._manifest.label_rule)
