"""What is said of a version whose bundle does not tell what is usual: that it is learned, and that it was. Pure."""

import orjson

from schemas.alarms import REFERENCE
from schemas.events import Signal
from streams.drift.calibration import BLOCKS_MIN
from streams.drift.references import DriftReference


def learning_signal(model: str, version: str, reference: DriftReference, *, now: int) -> Signal:
    """Drift can't be judged yet, why, until when, and how it would be from the start."""
    rows = BLOCKS_MIN * reference.block_rows
    words = (
        f"drift of {model} can't be judged by version {version} yet: its reference has {reference.note}; "
        f"what is usual is learned from its next {rows:,} rows. "
        "`penstock models add --time COLUMN` with at least 25,000 rows makes a reference that tells it at once"
    )
    return _signal("learning", words, model, version, reference, now)


def learned_signal(model: str, version: str, reference: DriftReference, *, now: int) -> Signal:
    """From now on drift is judged, by rows that may have drifted already."""
    words = (
        f"drift of {model} is judged by version {version} from now on, against its first "
        f"{BLOCKS_MIN * reference.block_rows:,} live rows: what had changed before them is not seen"
    )
    return _signal("learned", words, model, version, reference, now)


def _signal(step: str, words: str, model: str, version: str, reference: DriftReference, now: int) -> Signal:
    evidence = {
        "version": version,
        "step": step,
        "blocks": BLOCKS_MIN,
        "block_rows": reference.block_rows,
        "reference": reference.note,
    }
    return Signal(
        signal_id=f"{REFERENCE}:{model}:{version}:{step}",
        model=model,
        kind=REFERENCE,
        message=words,
        evidence=orjson.dumps(evidence, option=orjson.OPT_SORT_KEYS).decode(),
        raised_at=now,
    )
