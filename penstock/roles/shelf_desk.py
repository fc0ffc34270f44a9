"""What the controller hears from the shelf, and the one thing that it writes there: approvals that it accepted."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict

import structlog

from penstock import wiring
from registry.chronicle import Chronicle
from registry.errors import ShelfUnavailableError, VersionNotFoundError
from registry.statements import read_statement
from registry.vouching import APPROVED, Voucher, Word
from runtime.batch import RetryLaterError
from runtime.follower import read_to_end
from runtime.settings import Settings
from schemas.errors import EventDecodeError
from schemas.events import Command, ModelEvent
from schemas.topics import MODEL_EVENTS
from streams.rollout.inputs import StatementFacts, VersionFacts
from streams.rollout.shelf_news import ShelfNews

_CARRYING = frozenset({"approve", "reject"})
_log = structlog.get_logger("penstock.controller")


def version_facts(settings: Settings) -> Callable[[str, str], VersionFacts]:
    """What the shelf says of a version now: is its bundle what was registered, and do enough people vouch for it."""
    voucher, only_approved = wiring.voucher(settings), settings.policy.automation_activates == "approved"

    def facts(model: str, version: str) -> VersionFacts:
        try:
            word = voucher.word(model, version)
        except VersionNotFoundError:
            return VersionFacts(state=None)
        except ShelfUnavailableError as error:
            return VersionFacts(state=None, unreachable=str(error))
        return VersionFacts(
            state=word.state,
            failure=word.failure,
            bundle=word.record.bundle,
            request_schema_id=word.record.request_schema_id,
            prediction_schema_id=word.record.prediction_schema_id,
            registered_at=word.record.registered_at,
            unapproved=_unapproved(word) if only_approved else "",
        )

    return facts


def _unapproved(word: Word) -> str:
    if word.state == APPROVED:
        return ""
    return "no person has approved it, and policy.automation_activates is approved"


def statement_facts(settings: Settings) -> Callable[[Command], StatementFacts | None]:
    """What the signed statement in a command is worth, None of a command that carries none."""
    voucher = wiring.voucher(settings)
    return lambda command: _worth(voucher, command) if command.action in _CARRYING else None


def _worth(voucher: Voucher, command: Command) -> StatementFacts:
    try:
        return StatementFacts(**asdict(voucher.statement_word({**command.arguments, "model": command.model})))
    except VersionNotFoundError as error:
        return StatementFacts(fault=str(error))
    except ShelfUnavailableError as error:
        return StatementFacts(fault=f"the shelf can't be read now, ask again: {error}")


def approval_recorder(settings: Settings) -> Callable[[Mapping[str, str]], None]:
    """Keeps a signed statement on the shelf; while the shelf is away the command waits."""
    catalogue = wiring.catalogue(settings)

    def record(texts: Mapping[str, str]) -> None:
        try:
            catalogue.record_approval(read_statement(texts))
        except ShelfUnavailableError as error:
            raise RetryLaterError(str(error)) from error

    return record


def shelf_news(settings: Settings, *, deadline_s: float) -> ShelfNews:
    """What the shelf did by itself and the topic of model events does not have yet."""
    chronicle = Chronicle(wiring.catalogue(settings))

    def happened() -> Sequence[ModelEvent]:
        try:
            return chronicle.events()
        except ShelfUnavailableError as error:
            _log.warning("the shelf can't be asked for its news", detail=str(error))
            return ()

    return ShelfNews(happened=happened, told=lambda: told_events(settings, deadline_s))


def told_events(settings: Settings, deadline_s: float) -> Collection[str]:
    """Ids of the events that the topic of model events has."""
    codec, topic, ids = wiring.codec(settings), wiring.topics(settings).of(MODEL_EVENTS), set()
    for message in read_to_end(settings.kafka, topic, deadline_s=deadline_s):
        try:
            ids.add(codec.decode(ModelEvent, message.value()).event_id)
        except EventDecodeError as error:
            _log.error("model event not readable", offset=message.offset(), detail=str(error))
    return ids
