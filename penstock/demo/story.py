"""What the store tells of the demo's model while flights go, and what an operator does about it.

The timeline is read again and again; what is new is told once. Nothing here says when what happens:
the stack notices, retrains and decides. An operator's part is one act: when the fault is answered,
to send a version to a canary that should not pass. When that is taken back, the story is over.
"""

import time
from datetime import UTC, datetime, timedelta

import orjson

from consumers.errors import StoreNotFoundError, StoreUnavailableError
from consumers.questions import Question, Store, only
from consumers.stored_collections import SIGNALS
from consumers.timeline import Moment
from consumers.timeline_reading import timeline
from penstock import wiring
from penstock.commanding import command
from penstock.demo.error_rates import ErrorRates, Rate
from penstock.demo.error_watch import RISE, ErrorWatch
from penstock.demo.fault import Fault, Upstream
from penstock.demo.scene import MODEL, Tell
from penstock.demo.time_lapse import CANARY_STEPS
from penstock.errors import CommandRefusedError
from runtime.settings import Settings
from schemas.alarms import DRIFT
from schemas.reasons import TRAINING_REMEDIES, TrainingFault

DAY_MS = 86_400_000
LONGEST_DAYS = 120
"""Of event time after the fault, by which the story must be over."""
AFTER_DAYS = 6
KEPT_DAYS = 14
"""A version that is kept in spite of the fault must do as well as before for so long."""
_LOOK_S = 1.0
_COMMAND_S = 60.0
_ASK_AGAIN_S = 5.0
_TOLD = frozenset(
    {
        *("drift", "performance", "RetrainRequested", "RetrainAdvised", "Trained", "TrainingFailed", "Refused"),
        *("RolloutStarted", "Widened", "Promoted", "Inconclusive", "RolledBack", "RollbackAdvised"),
    }
)
_EVIDENCE = Question(
    collection=SIGNALS,
    sql="SELECT id, evidence FROM signals WHERE model = :model AND kind = 'drift' ORDER BY raised_at",
    search=lambda parameters: {
        "query": {"bool": {"filter": only({**parameters, "kind": DRIFT})}},
        "_source": ["evidence"],
        "sort": [{"raised_at": "asc"}],
    },
)


class Story:
    """`moments`: all that happened so far, in order; `turns`: when the error rate rose and fell, by day.

    `until`: event time at which flights may end (ms). `bad_version` is the one that is sent on
    purpose; `newest` the error rate of the newest flights, `day` their day.
    """

    def __init__(self, settings: Settings, upstream: Upstream, *, bad_version: str, tell: Tell) -> None:
        self.upstream = upstream
        self.fault = upstream.fault
        self.until = _latest(upstream.fault)
        self.bad_version = bad_version
        self.moments: list[Moment] = []
        self.turns: list[tuple[str, str]] = []
        self.errors = ErrorWatch()
        self.newest: Rate | None = None
        self.day = ""
        self._settings = settings
        self._tell = tell
        self._known: set[tuple[str, str]] = set()
        self._named: dict[str, tuple[bool, str]] = {}
        self._looked_at = 0.0
        self._asked_at = 0.0
        self._bad_runs = False
        self._kept_since: int | None = None
        self._bears_it = False

    def follow(self, event_time: int) -> None:
        """Tell what is new and do what is to be done, once a second; flights up to that time were sent (ms)."""
        if time.monotonic() - self._looked_at < _LOOK_S:
            return
        self._looked_at = time.monotonic()
        self.day = datetime.fromtimestamp(event_time / 1_000, UTC).date().isoformat()
        self.read()
        if self.upstream.broken_at is None:
            return
        if self.kept and not self._bears_it:
            self._bears_it = self._has_borne_it(event_time)
        if self.answered and not self._bad_runs:
            self._send_bad_version()
        if self.is_over:
            self.until = min(self.until, event_time + AFTER_DAYS * DAY_MS)

    def read(self) -> None:
        """Tell what is new in the store."""
        store = wiring.store(self._settings)
        try:
            self.moments = timeline(store, MODEL)
        except (StoreNotFoundError, StoreUnavailableError):
            return
        for moment in self.moments:
            if moment.kind in _TOLD and (moment.id, moment.words) not in self._known:
                self._known.add((moment.id, moment.words))
                self._say(f"{' '.join((moment.kind, *moment.versions))}: {moment.words}")
        self._read_named(store)
        self._read_errors(ErrorRates(store))

    def of(self, *kinds: str) -> list[Moment]:
        """Moments of these kinds."""
        return [moment for moment in self.moments if moment.kind in kinds]

    @property
    def named(self) -> dict[str, str]:
        """What drift signals since the fault say of each of the features that it changes, such as `scale: x 60`."""
        return {name: words for name, (_, words) in self._named.items()}

    @property
    def requested(self) -> list[Moment]:
        """Retrains that were asked for since the fault, or had no answer yet when it began."""
        answers = {moment.led_by: moment.at for moment in self.of("Trained", "TrainingFailed")}
        broken_at = self.upstream.broken_at
        if broken_at is None:
            return []
        return [moment for moment in self.of("RetrainRequested") if answers.get(moment.id, broken_at) >= broken_at]

    @property
    def candidates(self) -> set[str]:
        """Versions that were made upon these."""
        asked = {moment.id for moment in self.requested}
        return {version for moment in self.of("Trained") if moment.led_by in asked for version in moment.versions}

    @property
    def promoted(self) -> set[str]:
        """Those of them that came to serve."""
        return self.candidates & {version for moment in self.of("Promoted") for version in moment.versions}

    @property
    def kept(self) -> bool:
        """Whether the version that serves was found to do better on rows with the fault than one fitted on them.

        By the trainer, or by the canary: a fault that costs little is no reason to forget a whole winter.
        """
        remedy = TRAINING_REMEDIES[TrainingFault.NOT_AS_GOOD]
        asked = {moment.id for moment in self.requested}
        barred = {version for moment in self.of("Barred") for version in moment.versions}
        return bool(self.candidates & barred) or any(
            moment.led_by in asked and remedy in moment.words for moment in self.of("TrainingFailed")
        )

    @property
    def answered(self) -> bool:
        """Whether a version that knows the fault serves, or none is needed."""
        return bool(self.promoted) or self._bears_it

    @property
    def bad_taken_back(self) -> bool:
        """Whether the bad version was sent, and then barred by the controller."""
        return self._bad_runs and any(self.bad_version in moment.versions for moment in self.of("Barred"))

    @property
    def is_over(self) -> bool:
        return self.bad_taken_back and self.errors.recovered

    def _since_fault(self, kind: str) -> list[Moment]:
        broken_at = self.upstream.broken_at
        return [] if broken_at is None else [moment for moment in self.of(kind) if moment.at >= broken_at]

    def _read_named(self, store: Store) -> None:
        """Keep what is said of the features: a drift that goes on is told again, of the columns that move then."""
        ids = {moment.id for moment in self._since_fault(DRIFT)}
        for row in store.ask(_EVIDENCE, {"model": MODEL}) if ids else ():
            evidence = orjson.loads(str(row["evidence"]))
            for column in evidence["columns"] if row["id"] in ids else ():
                complete, _ = self._named.get(column["name"], (False, ""))
                if column["name"] in self.fault.factors and not complete:
                    self._named[column["name"]] = (evidence["complete"], column["words"])

    def _has_borne_it(self, event_time: int) -> bool:
        """Whether the version that was kept has done as well as before the fault for a while."""
        if self._kept_since is None:
            self._kept_since = event_time
        since = ErrorRates(wiring.store(self._settings)).after(self._kept_since)
        if event_time < self._kept_since + KEPT_DAYS * DAY_MS or since is None or self.errors.before is None:
            return False
        return since.error_rate < self.errors.before + RISE

    def _read_errors(self, rates: ErrorRates) -> None:
        self.newest = rates.newest()
        if self.upstream.broken_at is None:
            return
        before, now = rates.before(self.fault.since), rates.newest(since=self.fault.since)
        if before is None or now is None:
            return
        news = self.errors.observe(before.error_rate, now.error_rate, flights=now.flights, answered=self.answered)
        if news:
            self.turns.append((self.day, news.partition(":")[0]))
            self._say(news)

    def _send_bad_version(self) -> None:
        """Begin a canary that should not pass; while the controller refuses, ask again later."""
        if time.monotonic() - self._asked_at < _ASK_AGAIN_S:
            return
        arguments = {"version": self.bad_version, "strategy": "canary", "steps": CANARY_STEPS}
        try:
            command(self._settings, "start", MODEL, arguments=arguments, wait_s=_COMMAND_S)
        except CommandRefusedError as error:
            self._say(f"an operator asks for a canary of version {self.bad_version} in vain: {error.reason}")
        else:
            self._bad_runs = True
            self._say(f"an operator sends version {self.bad_version}, which is bad on purpose, to a canary")
        self._asked_at = time.monotonic()

    def _say(self, words: str) -> None:
        self._tell(f"[{self.day}] {words}")


def _latest(fault: Fault) -> int:
    """When flights end in any case: some time after the fault; without one with the month of its day. In ms."""
    if fault.changes_something:
        return fault.since + LONGEST_DAYS * DAY_MS
    following = (fault.day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return round(datetime(following.year, following.month, 1, tzinfo=UTC).timestamp() * 1_000)
