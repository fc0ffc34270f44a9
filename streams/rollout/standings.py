"""How each version does by its own record: matured labels of live cohorts, the newest counting most.

Cohorts come in; they are added up until there are enough to be worth an entry in the journal, and
then become part of the deployment. Pure; a controller that starts anew has forgotten at most the
cohorts of the tally that was open, which costs a little freshness and no decision.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from schemas.events import Cohort, DeploymentState, LossRecord

RECORDS_MAX = 10
FADING = 0.98
"""What is left of a record for each hundred labels that follow, so that it is of the newest five thousand or so."""
DECIMALS = 6
_Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Matured labels of one version and their summed losses; named by the first cohort in it."""

    tally_id: str
    model: str
    version: str
    labels: int
    losses: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallies:
    """What has been added up and not yet handed on, by model and version."""

    open: Mapping[tuple[str, str], Tally] = field(default_factory=lambda: MappingProxyType({}))

    def with_cohort(self, cohort: Cohort, *, labels_min: int, coverage_min: float) -> tuple["Tallies", Tally | None]:
        """With one cohort more, and the tally that it made large enough, if it did."""
        if cohort.role != "live" or not cohort.labeled or cohort.labeled < coverage_min * cohort.predicted:
            return self, None
        key = (cohort.model, cohort.version)
        known = self.open.get(key) or Tally(
            tally_id=f"tally:{cohort.cohort_id}", model=cohort.model, version=cohort.version, labels=0, losses=0.0
        )
        tally = replace(known, labels=known.labels + len(cohort.losses), losses=known.losses + math.fsum(cohort.losses))
        others = {each: open_tally for each, open_tally in self.open.items() if each != key}
        if tally.labels < labels_min:
            return Tallies(open={**others, key: tally}), None
        return Tallies(open=others), replace(tally, losses=round(tally.losses, DECIMALS))


def with_tally(state: DeploymentState, tally: Tally) -> DeploymentState:
    """The deployment with the tally in the version's record, which comes to stand last."""
    known = record_of(state, tally.version) or LossRecord(version=tally.version, labels=0.0, losses=0.0)
    left = FADING ** (tally.labels / 100)
    record = LossRecord(
        version=tally.version,
        labels=round(known.labels * left + tally.labels, DECIMALS),
        losses=round(known.losses * left + tally.losses, DECIMALS),
    )
    others = tuple(each for each in state.records if each.version != tally.version)
    return replace(state, records=(*others, record)[-RECORDS_MAX:])


def record_of(state: DeploymentState, version: str | None) -> LossRecord | None:
    """What is known of the version's losses; None when nothing is."""
    return next((each for each in state.records if each.version == version), None)


def does_better(ours: LossRecord, theirs: LossRecord) -> bool:
    """Whether the mean loss of ours is below that of theirs by more than chance explains (95 %, each for itself).

    >>> good, bad = (LossRecord(version=v, labels=1_000.0, losses=x) for v, x in (("1", 80.0), ("2", 150.0)))
    >>> does_better(good, bad), does_better(bad, good), does_better(good, good)
    (True, False, False)
    """
    return mean(ours) + _margin(ours) < mean(theirs) - _margin(theirs)


def mean(record: LossRecord) -> float:
    """The mean loss, 1 of nothing."""
    return record.losses / record.labels if record.labels else 1.0


def _margin(record: LossRecord) -> float:
    """Half the interval of a mean of losses within [0, 1], whose variance is m (1 - m) at most."""
    if not record.labels:
        return 1.0
    share = mean(record)
    return _Z_95 * math.sqrt(max(share * (1 - share), 0.0) / record.labels)
