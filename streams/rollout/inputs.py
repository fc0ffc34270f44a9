"""What is decided on: a command with what is known of its versions, a cohort, a signal, a window, or time alone.

Every input is a value that the journal keeps whole, so that a decision can be made again from it.
Pure: JSON comes and goes, nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from schemas.codec import built
from schemas.events import Cohort, Command, Signal
from streams.rollout.acting_rules import ActingRules
from streams.rollout.plan import Defaults
from streams.rollout.standings import Tally

SERVABLE = frozenset({"validated", "approved"})


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """What the shelf says of a version; `state` None: it has no such version.

    `failure`: why it can't serve, empty when nothing speaks against it. `unapproved`: why
    automation may not let it serve, though a person may; empty when it may. `unreachable`: why the
    shelf says nothing now, empty when it does.
    """

    state: str | None
    failure: str = ""
    bundle: str = ""
    request_schema_id: int = 0
    prediction_schema_id: int = 0
    registered_at: int = 0
    unapproved: str = ""
    unreachable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFacts:
    """What the signed statement in a command is worth; `fault`: why nothing, else it is empty.

    `before`, `after`: the version's state on the shelf without and with it. `words`: how many
    approvals that makes.
    """

    fault: str
    person: str = ""
    verdict: str = ""
    reason: str = ""
    before: str = ""
    after: str = ""
    words: str = ""


NOTHING_KNOWN = VersionFacts(state=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandInput:
    """A command, what the shelf says of the versions it is about, and the defaults of that moment.

    `statement`: of a command that carries a signed one.
    """

    command: Command
    facts: dict[str, VersionFacts]
    defaults: Defaults
    statement: StatementFacts | None = None

    @property
    def id(self) -> str:
        return self.command.command_id

    def facts_of(self, version: str) -> VersionFacts:
        return self.facts.get(version, NOTHING_KNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortInput:
    """Matured labels of one arm."""

    cohort: Cohort

    @property
    def id(self) -> str:
        return self.cohort.cohort_id


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalInput:
    """Something that a worker or the monitor has noticed; `rules`: of that moment, where automation may act on it."""

    signal: Signal
    rules: ActingRules | None = None

    @property
    def id(self) -> str:
        return self.signal.signal_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmWindow:
    """Sums over the profiles of one arm; quantiles of the score are summed with the rows that they are of."""

    rows: int = 0
    rejected: int = 0
    not_finite: int = 0
    duration_us: int = 0
    score_rows: int = 0
    score_quantiles: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A candidate's and control's rows of the same time: what guardrails are read from."""

    window_id: str
    model: str
    version: str
    generation: int
    candidate: ArmWindow
    control: ArmWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowInput:
    """A window that is full enough to be read."""

    window: Window

    @property
    def id(self) -> str:
        return self.window.window_id


@dataclass(frozen=True, slots=True, kw_only=True)
class TallyInput:
    """Matured labels of one version, enough of them for its record."""

    tally: Tally

    @property
    def id(self) -> str:
        return self.tally.tally_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """A moment at which something may be due; named by the revision that it found."""

    time_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeInput:
    """Nothing but time."""

    time: Time

    @property
    def id(self) -> str:
        return self.time.time_id


Input = CommandInput | CohortInput | SignalInput | WindowInput | TallyInput | TimeInput
_KINDS: Mapping[str, type[Input]] = {
    "command": CommandInput,
    "cohort": CohortInput,
    "signal": SignalInput,
    "window": WindowInput,
    "tally": TallyInput,
    "time": TimeInput,
}


class UnreadableInputError(Exception):
    """A journalled input is not one that this penstock can decide on."""


def as_json(content: object) -> str:
    """A value of dataclasses as JSON in the one form that it has: sorted keys, no blanks.

    >>> as_json(Time(time_id="t"))
    '{"time_id":"t"}'
    """
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()


def input_of(text: str) -> Input:
    """The input that was journalled as this JSON. Raises `UnreadableInputError`.

    >>> input_of('{"time":{"time_id":"t"}}').id
    't'
    """
    try:
        content: dict[str, Any] = orjson.loads(text)
        kind = next(kind for name, kind in _KINDS.items() if name in content)
        return built(kind, content)
    except (StopIteration, TypeError, ValueError, KeyError, AttributeError) as error:
        raise UnreadableInputError(f"the input can't be read: {type(error).__name__}: {error}") from error
