"""The journal: what a decision leaves behind, and how it is made again from that.

An entry holds the input, the time, and the state before and after as JSON in the one form that it
has. Deciding again must give the same bytes; a chain of digests shows what was altered. Pure.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace

import orjson

from schemas.codec import built
from schemas.events import DeploymentState, JournalEntry
from streams.rollout.decisions import decide
from streams.rollout.inputs import Input, UnreadableInputError, as_json, input_of
from streams.rollout.verdicts import Decision

_COMPARED = ("command_id", "input", "state_before", "state_after", "actions", "outcome", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What came of making a decision again: `decision` None where that was not possible; `faults` in words."""

    entry: JournalEntry
    event: Input | None
    before: DeploymentState | None
    decision: Decision | None
    faults: tuple[str, ...]


def entry_of(
    before: DeploymentState | None, event: Input, decision: Decision, now: int, *, model: str, sequence: int, chain: str
) -> JournalEntry:
    """The entry of a decision; `chain` is the digest of the model's entry before, empty for the first."""
    entry = JournalEntry(
        model=model,
        sequence=sequence,
        command_id=event.id,
        input=as_json(event),
        now=now,
        state_before=None if before is None else as_json(before),
        state_after=None if decision.state is None else as_json(decision.state),
        actions=tuple(as_json(each) for each in decision.events),
        outcome=decision.outcome,
        reason=decision.reason,
    )
    return replace(entry, digest=digest_of(entry, chain))


def digest_of(entry: JournalEntry, chain: str) -> str:
    """The digest that an entry has behind the one whose digest is `chain`."""
    fields = {**asdict(entry), "digest": chain}
    return hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()


def explain(entry: JournalEntry, *, chain: str | None) -> Explanation:
    """Make the decision of an entry again, and compare all of it; `chain` None: the entry before is not known."""
    faults = []
    if chain is not None and entry.digest != digest_of(entry, chain):
        faults.append("the digest differs: the entry, or the one before it, is not what was written")
    try:
        event = input_of(entry.input)
        before = _state(entry.state_before)
    except UnreadableInputError as error:
        return Explanation(entry=entry, event=None, before=None, decision=None, faults=(*faults, str(error)))
    decision = decide(before, event, entry.now)
    again = entry_of(before, event, decision, entry.now, model=entry.model, sequence=entry.sequence, chain="")
    faults += [
        f"{name} differs from what the decision gives now"
        for name in _COMPARED
        if getattr(again, name) != getattr(entry, name)
    ]
    return Explanation(entry=entry, event=event, before=before, decision=decision, faults=tuple(faults))


def replay(entries: Iterable[JournalEntry]) -> Iterator[Explanation]:
    """Make every decision of one model again, in order, each from the state that the one before gives.

    A journal that begins late begins with the state that its first entry tells of.
    """
    chain: str | None = None
    state: str | None = None
    for position, entry in enumerate(entries):
        found = explain(entry, chain="" if entry.sequence == 0 else chain)
        faults = list(found.faults)
        if position and entry.state_before != state:
            faults.append("the state before is not the one that the decision before gave")
        yield replace(found, faults=tuple(faults))
        again = None if found.decision is None else found.decision.state
        state = None if again is None else as_json(again)
        chain = entry.digest


def _state(text: str | None) -> DeploymentState | None:
    if text is None:
        return None
    try:
        return built(DeploymentState, orjson.loads(text))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise UnreadableInputError(f"the state before can't be read: {type(error).__name__}: {error}") from error
