"""What the monitor knows of all models: a watch for each version that has served, and the rates.

Profiles and cohorts come in as they lie on their topics, signals go out. Only rows and labels of
requests that the version in charge has answered count: those of candidates on trial are judged by
their rollout.
"""

from collections.abc import Callable
from dataclasses import dataclass

from schemas.events import Cohort, Profile, Signal
from streams.drift.request_rate import RateRules, RateState, close_until, observe, rate_signal
from streams.drift.version_watch import VersionWatch, WatchedVersion, WatchRules

LIVE = "live"
IN_CHARGE = frozenset({"live", "control"})
"""Arms of the version that serves: alone, or beside one on trial."""
VERSIONS_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRules:
    """What people ask for."""

    watch: WatchRules
    rate: RateRules


FindVersion = Callable[[str, str, str | None], WatchedVersion | None]
"""(model, version, bundle or None) to what is watched; None: it can't be read, and is not watched."""


class Watches:
    """All that the monitor knows; the same records in the same order make the same of it."""

    def __init__(self, find: FindVersion, rules: MonitorRules) -> None:
        self._find = find
        self._rules = rules
        self._versions: dict[tuple[str, str], VersionWatch | None] = {}
        self._rates: dict[str, RateState] = {}

    @property
    def learning(self) -> int:
        """Versions whose reference is being learned."""
        return sum(1 for watch in self._versions.values() if watch is not None and watch.learning)

    def observe_profile(self, profile: Profile, *, now: int) -> list[Signal]:
        """Take in what was scored."""
        if profile.role != LIVE:
            return []
        signals = self._rate(profile, now)
        if profile.arm in IN_CHARGE:
            watch = self._watch(profile.model, profile.version, profile.bundle)
            signals += watch.observe_profile(profile, now=now) if watch is not None else []
        return signals

    def observe_cohort(self, cohort: Cohort, *, now: int) -> list[Signal]:
        """Take in what came of it."""
        if cohort.role != LIVE or cohort.arm not in IN_CHARGE:
            return []
        watch = self._watch(cohort.model, cohort.version, None)
        return watch.observe_cohort(cohort, now=now) if watch is not None else []

    def silent_until(self, moment: int, *, now: int) -> list[Signal]:
        """Nothing came up to that moment of append time (ms)."""
        signals = []
        for model, state in self._rates.items():
            self._rates[model], alarms = close_until(state, moment, self._rules.rate)
            signals += [rate_signal(alarm, model, self._rules.rate, now=now) for alarm in alarms]
        return signals

    def _rate(self, profile: Profile, now: int) -> list[Signal]:
        state = self._rates.get(profile.model, RateState())
        rules = self._rules.rate
        self._rates[profile.model], alarms = observe(state, profile.requested_at_last, profile.rows, rules)
        return [rate_signal(alarm, profile.model, rules, now=now) for alarm in alarms]

    def _watch(self, model: str, version: str, bundle: str | None) -> VersionWatch | None:
        place = (model, version)
        if place not in self._versions:
            found = self._find(model, version, bundle)
            self._versions[place] = None if found is None else VersionWatch(found, self._rules.watch)
            if len(self._versions) > VERSIONS_MAX:
                del self._versions[next(iter(self._versions))]
        return self._versions[place]
