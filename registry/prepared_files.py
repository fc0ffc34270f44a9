"""A prepared version as files in a folder, from the process that made it to the one that adds it.

`prepared.json` holds what a manifest will say of it; the estimator and its golden vectors lie
beside it as they will in the bundle.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from registry.errors import BundleRefusedError
from registry.judging import Judgment
from registry.loaded import LabelRule
from registry.manifest import ESTIMATOR, GOLDEN, Baseline, SampleFacts, TrainingFacts
from registry.preparing import Prepared
from registry.reference_profile import ReferenceProfile
from schemas.errors import SignatureError
from schemas.signature import Signature

PREPARED = "prepared.json"
_FILES = ("estimator_file", "golden_file")


def write_prepared(folder: Path, prepared: Prepared) -> None:
    """Write the parts; `prepared.json` comes last, and whole."""
    (folder / ESTIMATOR).write_bytes(prepared.estimator_file)
    (folder / GOLDEN).write_bytes(prepared.golden_file)
    facts = {name: value for name, value in asdict(prepared).items() if name not in _FILES}
    temporary = folder / f"{PREPARED}.part"
    temporary.write_bytes(orjson.dumps(facts))
    temporary.replace(folder / PREPARED)


def read_prepared(folder: Path) -> Prepared:
    """Read what `write_prepared` wrote. Raises `BundleRefusedError`."""
    try:
        found = orjson.loads((folder / PREPARED).read_bytes())
        return Prepared(
            **{
                **found,
                "signature": Signature.from_dict(found["signature"]),
                "label_rule": LabelRule(found["label_rule"]),
                "sample": SampleFacts(**found["sample"]),
                "profile": ReferenceProfile.from_dict(found["profile"]),
                "judgment": _judgment(found["judgment"]),
                "training": None if found["training"] is None else TrainingFacts(**found["training"]),
                "estimator_file": (folder / ESTIMATOR).read_bytes(),
                "golden_file": (folder / GOLDEN).read_bytes(),
            }
        )
    except (OSError, ValueError, TypeError, KeyError, SignatureError) as error:
        raise BundleRefusedError("manifest", f"what the refit left can't be read: {error}") from error


def _judgment(found: Mapping[str, Any]) -> Judgment:
    holdout, baseline = found["holdout"], found["baseline"]
    nested = {
        "holdout": None if holdout is None else SampleFacts(**holdout),
        "baseline": None if baseline is None else Baseline(**baseline),
    }
    return Judgment(**{**found, **nested})
