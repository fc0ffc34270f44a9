"""What simulated rollouts came to, kept as one JSON file; the page and the figures are drawn from it alone."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

RESULTS = Path(__file__).parent / "results" / "rollouts.json"
DECIMALS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseRollbacks:
    """Of rollouts whose candidate is as good as control, the share that each method has called worse by each look."""

    world: str
    penstock: list[float]
    naive: list[float]
    pooled: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class FalsePromotions:
    """The share of rollouts whose candidate is worse by the margin, and is promoted."""

    world: str
    promoted: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """How whole canaries ended that the controller's own function decided, and after how many labels (median)."""

    world: str
    rollouts: int
    successful: float
    failed: float
    inconclusive: float
    labels_p50: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """How rollouts at one share end where these are the mean losses.

    `labels`: how many of both arms had come when it was decided, one number a rollout, in order; those
    that were not are missing. `computed_*` is what streams/rollout/power.py says beforehand of the
    right verdict, None: not within the cap.
    """

    share: float
    control_loss: float
    candidate_loss: float
    rolled_back: float
    promoted: float
    labels: list[int]
    computed_p50: int | None
    computed_p95: int | None

    @property
    def labels_p50(self) -> int | None:
        return self.labels_by(0.5)

    @property
    def labels_p95(self) -> int | None:
        return self.labels_by(0.95)

    def labels_by(self, part: float) -> int | None:
        """The labels by which that part of all rollouts had been decided; None if fewer ever were."""
        decided = self.rolled_back + self.promoted
        rollouts = round(len(self.labels) / decided) if self.labels else 0
        place = int(part * rollouts)
        return self.labels[place] if place < len(self.labels) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutResults:
    """One run: its rules and sizes, and all that came of it."""

    seed: int
    rollouts: int
    power_rollouts: int
    stretch_labels: int
    alpha: float
    margin: float
    labels_max: int
    false_rollbacks: list[FalseRollbacks]
    false_promotions: list[FalsePromotions]
    ends: list[Ends]
    power: list[Power]

    def beyond_alpha(self) -> list[str]:
        """What was decided falsely more often than alpha allows, in words."""
        said = [(f"{each.world}: rolled back", each.penstock[-1]) for each in self.false_rollbacks]
        said += [(f"{each.world}: promoted", each.promoted) for each in self.false_promotions]
        return [f"{words} falsely in {share:.1%}, alpha is {self.alpha:.1%}" for words, share in said
                if share > self.alpha]  # fmt: skip


def encode(results: RolloutResults) -> bytes:
    return orjson.dumps(asdict(results), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def decode(text: bytes) -> RolloutResults:
    """The results in a file that `encode` wrote."""
    fields = orjson.loads(text)
    parts = {"false_rollbacks": FalseRollbacks, "false_promotions": FalsePromotions, "ends": Ends, "power": Power}
    return RolloutResults(**fields | {name: [kind(**each) for each in fields[name]] for name, kind in parts.items()})


def digest_of(results: RolloutResults) -> str:
    """What a figure carries of the results that it was drawn from."""
    return hashlib.sha256(encode(results)).hexdigest()
