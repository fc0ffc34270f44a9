"""Guardrails: readings that may stray once, and mean something when N of the newest M were beyond their limit.

A reading comes in; the newest readings of its guardrail, or a breach, go out.
"""

from dataclasses import dataclass, replace

from schemas.events import Candidate, GuardrailReadings, RolloutRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One measurement of a candidate against a guardrail's limit, which it must not exceed."""

    guardrail: str
    value: float
    limit: float

    @property
    def breach(self) -> bool:
        return not self.value <= self.limit


def observe(candidate: Candidate, reading: Reading, rules: RolloutRules) -> Candidate:
    """The candidate with one reading more; only the newest `rules.readings` are kept.

    A value that is no number is a breach.
    """
    present = {each.guardrail: each for each in candidate.guardrails}
    before = present[reading.guardrail].breaches if reading.guardrail in present else ()
    present[reading.guardrail] = GuardrailReadings(
        guardrail=reading.guardrail,
        breaches=(*before, reading.breach)[-rules.readings :],
        value=reading.value,
        limit=reading.limit,
    )
    return replace(candidate, guardrails=tuple(present[name] for name in sorted(present)))


def breach(candidate: Candidate, rules: RolloutRules) -> str:
    """The first guardrail that is breached, in words; empty when all hold."""
    for each in candidate.guardrails:
        beyond = sum(each.breaches)
        if beyond >= rules.breaches_min:
            return (
                f"guardrail {each.guardrail} of version {candidate.version}: {beyond} of the newest "
                f"{len(each.breaches)} readings beyond {each.limit:g}, the last {each.value:g}"
            )
    return ""
