"""A bundle's manifest: what the version is, what each file must be, and how it was judged.

Written once as canonical JSON; the bundle is named by the hash of these bytes, and they hold
the hash of every other file, so that the name vouches for the whole.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields

import orjson

from registry.errors import BundleRefusedError
from registry.loaded import LabelRule
from registry.reference_profile import ReferenceProfile
from schemas.errors import SignatureError
from schemas.signature import Signature

FORMAT = 1
MANIFEST, ESTIMATOR, GOLDEN = "manifest.json", "estimator.skops", "golden.arrow"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """What a file of the bundle must be; `unpacked_bytes` is what it takes when it is opened."""

    name: str
    sha256: str
    bytes: int
    unpacked_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFacts:
    """Rows that a version was added with or judged by; `sha256` is the fingerprint of their typed features.

    `truth_sha256`: that of the target's values, which is the same for versions of other features.
    """

    rows: int
    sha256: str
    target: str | None
    truth_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The version that was active at registration and the new one, on the same rows; `failure`: why not."""

    version: str
    bundle: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    candidate_metrics: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """How a version was refitted from outcomes, and how it did beside the version that served then.

    `cause`: id of the event that asked for it. Rows are those of event times in [since, until), in
    ms; those from `judged_from` on were held back, and both versions were judged on them: mean
    losses, and the interval of 95 % of their paired difference. `sha256` is the fingerprint of all rows.
    """

    cause: str
    since: int
    until: int
    judged_from: int
    rows: int
    rows_judged: int
    sha256: str
    loss: float
    parent_loss: float
    difference_low: float
    difference_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything about a version that never changes; its state is in the catalogue.

    `metrics_of` says on which rows the metrics were measured; fields with a default may be missing.
    """

    format: int = FORMAT
    name: str
    version: str
    parent: str | None
    registered_at: int
    registered_by: str | None
    signature: Signature
    label_rule: LabelRule
    estimator: str
    files: tuple[FileEntry, ...]
    libraries: Mapping[str, str]
    sample: SampleFacts
    metrics: Mapping[str, float]
    metrics_of: str
    profile: ReferenceProfile
    golden_rows: int
    holdout: SampleFacts | None = None
    baseline: Baseline | None = None
    training: TrainingFacts | None = None

    def encode(self) -> bytes:
        """The bytes that the bundle is named by."""
        return orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def decode(cls, content: bytes) -> "Manifest":
        """Read what `encode` wrote. Raises `BundleRefusedError`."""
        try:
            found = orjson.loads(content)
            _require_format(found)
            return cls(
                **{
                    **found,
                    "signature": Signature.from_dict(found["signature"]),
                    "label_rule": LabelRule(found["label_rule"]),
                    "files": tuple(FileEntry(**entry) for entry in found["files"]),
                    "sample": SampleFacts(**found["sample"]),
                    "profile": ReferenceProfile.from_dict(found["profile"]),
                    "holdout": None if not found.get("holdout") else SampleFacts(**found["holdout"]),
                    "baseline": None if not found.get("baseline") else Baseline(**found["baseline"]),
                    "training": None if not found.get("training") else TrainingFacts(**found["training"]),
                }
            )
        except (ValueError, TypeError, KeyError, SignatureError) as error:
            raise BundleRefusedError("manifest", f"it can't be read: {error}") from error

    def entry(self, name: str) -> FileEntry:
        """Raises `BundleRefusedError` when the bundle should have such a file and does not."""
        for entry in self.files:
            if entry.name == name:
                return entry
        raise BundleRefusedError("manifest", f"it lists no file {name}")


def _require_format(found: object) -> None:
    known = {each.name for each in fields(Manifest)}
    optional = {each.name for each in fields(Manifest) if each.default is not MISSING} - {"format"}
    if isinstance(found, dict) and isinstance(found.get("format"), int) and found["format"] > FORMAT:
        raise ValueError(
            f"it has format {found['format']}, and this penstock knows formats up to {FORMAT}: upgrade first"
        )
    if not isinstance(found, dict) or not known - optional <= set(found) <= known:
        raise ValueError("fields are missing or unknown")
    if found["format"] != FORMAT:
        raise ValueError(f"format {found['format']!r}, and this penstock reads {FORMAT}")


def file_entry(name: str, content: bytes, *, unpacked_bytes: int) -> FileEntry:
    return FileEntry(name=name, sha256=sha256(content), bytes=len(content), unpacked_bytes=unpacked_bytes)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
