"""What a scorer's and a shadow's process build alike: loader, guard, bounds, and deployments as they come."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import structlog

from penstock import wiring
from runtime.batch import KafkaMessage
from runtime.settings import Settings
from runtime.watchdog import Watchdog
from schemas.codec import EventCodec
from schemas.errors import EventDecodeError
from schemas.events import DeploymentState
from streams.scoring.loading import Loader, VersionSource
from streams.scoring.strikes import Strikes
from streams.scoring.validation import EventTimeBounds

_log = structlog.get_logger("penstock.deployments")


def build_loader(settings: Settings, versions: VersionSource, strikes: Strikes) -> Loader:
    """What loads versions, with the settings of scoring."""
    return Loader(
        versions=versions,
        schemas=wiring.schema_registry(settings),
        strikes=strikes,
        decoder=settings.scoring.decoder,
        value_bytes_max=settings.scoring.value_bytes_max,
        quarantine=settings.scoring.quarantine,
    )


def event_time_bounds(settings: Settings) -> EventTimeBounds:
    """How far event times may lie from append times."""
    past_s, ahead_s = settings.scoring.event_time_past_max_s, settings.scoring.event_time_ahead_max_s
    return EventTimeBounds(
        past_ms=None if past_s is None else int(past_s * 1_000),
        ahead_ms=None if ahead_s is None else int(ahead_s * 1_000),
    )


def build_guard(
    settings: Settings, watchdog: Watchdog, strikes: Strikes, generation_of: Callable[[str, str], int]
) -> Callable[[str, str], AbstractContextManager[None]]:
    """Limits a predict call in time; one beyond it is a strike against its version in that generation."""

    def guard(model: str, version: str) -> AbstractContextManager[None]:
        def strike(why: str) -> None:
            strikes.add(model, version, generation_of(model, version), why)

        return watchdog.limit(
            f"{model} {version} predict",
            settings.scoring.predict_timeout_s,
            strike,
            held=strikes.held(model, version, generation_of(model, version)),
        )

    return guard


def states_of(messages: Iterator[KafkaMessage], codec: EventCodec) -> Iterator[DeploymentState]:
    """Deployments from their records; what is none is said and left out."""
    for message in messages:
        try:
            yield codec.decode(DeploymentState, message.value())
        except EventDecodeError as error:
            _log.error(
                "deployment not readable",
                topic=message.topic(),
                partition=message.partition(),
                offset=message.offset(),
                detail=str(error),
            )
