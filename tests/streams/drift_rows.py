"""Made-up rows of five features, whose reference and blocks are counted as the shelf and the lane count theirs.

`level`: a number; `speed`: a number in some unit; `kind`: text of five categories; `flag`: a
boolean; `rare`: a number of which one value in a hundred is missing. Seeded, so that traces are exact.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from registry.binning import Binning
from registry.reference_profile import OUT_OF_FOLD, ProfileOrder, ReferenceProfile, reference_profile
from schemas.events import ColumnCounts, Profile, Signal, SourceRange
from streams.drift.blocks import Block, block_of
from streams.drift.detector import Alarm, DetectorState, observe
from streams.drift.references import DriftReference, drift_reference
from streams.drift.signals import drift_signal

BLOCK_ROWS = 1_000
KINDS = ("bus", "car", "ship", "train", "van")
KIND_SHARES = (0.4, 0.3, 0.15, 0.1, 0.05)
MINUTE_MS = 60_000
Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class Rows:
    """n rows as arrays, which a fault changes in place; NaN and None are missing."""

    level: Floats
    speed: Floats
    kind: npt.NDArray[np.object_]
    flag: npt.NDArray[np.bool_]
    rare: Floats
    score: Floats

    @classmethod
    def drawn(cls, rows: int, random: np.random.Generator) -> "Rows":
        rare = random.normal(size=rows)
        rare[random.random(rows) < 0.01] = np.nan
        return cls(
            level=random.normal(size=rows),
            speed=random.gamma(4.0, 15.0, rows),
            kind=np.array(KINDS, dtype=np.object_)[random.choice(5, rows, p=KIND_SHARES)],
            flag=random.random(rows) < 0.3,
            rare=rare,
            score=random.beta(2.0, 5.0, rows),
        )

    def features(self) -> pa.RecordBatch:
        return pa.record_batch(
            {
                "level": self.level,
                "speed": self.speed,
                "kind": pa.array(self.kind.tolist(), pa.string()),
                "flag": self.flag,
                "rare": pa.array(self.rare, from_pandas=True),
            }
        )


Fault = Callable[[Rows, slice], None]


def made_reference(*, blocks: int = 300, seed: int = 1, in_time_order: bool = True) -> ReferenceProfile:
    rows = Rows.drawn(blocks * BLOCK_ROWS, np.random.default_rng(seed))
    profile = reference_profile(
        rows.features(),
        rows.score,
        order=ProfileOrder(time="at") if in_time_order else ProfileOrder(),
        keep_text_of=("kind",),
        scores_of=OUT_OF_FOLD,
        importance={"level": 0.7, "speed": 0.2},
    )
    assert profile.block_rows == (BLOCK_ROWS if in_time_order else None)
    return profile


def profiles_of(rows: Rows, binning: Binning, *, rows_each: int = BLOCK_ROWS, first: int = 0) -> list[Profile]:
    """Profiles of consecutive rows, a minute for each row, as the lane would send them."""
    pieces = len(rows.level) // rows_each
    counted = binning.count(
        rows.features().slice(0, pieces * rows_each), rows.score[: pieces * rows_each], pieces=pieces
    )
    return [
        profile_of(columns, rows=rows_each, first=first + index * rows_each) for index, columns in enumerate(counted)
    ]


def profile_of(columns: tuple[ColumnCounts, ...], *, rows: int, first: int, version: str = "1") -> Profile:
    """A profile of rows from offset `first` on."""
    return Profile(
        profile_id=f"m:{version}:live:live:c:0:{first}",
        model="m",
        version=version,
        bundle=f"bundle {version}",
        arm="live",
        role="live",
        generation=1,
        cluster_id="c",
        sources=(SourceRange(partition=0, offset_first=first, offset_last=first + rows - 1),),
        rows=rows,
        profiled=rows,
        rejected={},
        durations_us={},
        event_time_first=first * MINUTE_MS,
        event_time_last=(first + rows - 1) * MINUTE_MS,
        requested_at_first=first,
        requested_at_last=first + rows - 1,
        columns=columns,
    )


@dataclass(slots=True)
class Trace:
    """A detector that is fed block by block, and its alarms with the index of the block that raised each."""

    profile: ReferenceProfile
    rows_per_false_alarm: int = 1_000_000
    reference: DriftReference = field(init=False)
    state: DetectorState = field(init=False)
    alarms: list[tuple[int, Alarm]] = field(default_factory=list)
    blocks: int = 0

    def __post_init__(self) -> None:
        self.reference = drift_reference(self.profile)
        self.state = DetectorState(calibration=self.reference.calibration)

    def feed(self, blocks: Sequence[Block]) -> "Trace":
        for block in blocks:
            self.state, alarm = observe(
                self.state,
                block,
                block_rows=self.reference.block_rows,
                rows_per_false_alarm=self.rows_per_false_alarm,
            )
            if alarm is not None:
                self.alarms.append((self.blocks, alarm))
            self.blocks += 1
        return self

    def live(self, blocks: int, *, seed: int, fault: Fault | None = None, fault_row: int = 0) -> "Trace":
        """Feed so many blocks of rows, from `fault_row` on with the fault."""
        rows = Rows.drawn(blocks * self.reference.block_rows, np.random.default_rng(seed))
        if fault is not None:
            fault(rows, slice(fault_row, None))
        first = self.blocks * self.reference.block_rows
        profiles = profiles_of(rows, self.profile.binning, rows_each=self.reference.block_rows, first=first)
        blocks_made = [block_of(profile, self.reference.layout) for profile in profiles]
        return self.feed([block for block in blocks_made if block is not None])

    def signal(self, index: int) -> Signal:
        """The signal of the alarm with that index among all that were told."""
        return drift_signal(
            self.alarms[index][1],
            self.reference,
            model="m",
            version="1",
            rows_per_false_alarm=self.rows_per_false_alarm,
            now=7,
        )

    @property
    def raised(self) -> list[int]:
        return [index for index, alarm in self.alarms if not alarm.complete]

    @property
    def completed(self) -> list[int]:
        return [index for index, alarm in self.alarms if alarm.complete]

    def names(self, index: int) -> list[str]:
        """The columns that the alarm names, the furthest first."""
        return [self.reference.layout.names[crossing.column] for crossing in self.alarms[index][1].crossings]
