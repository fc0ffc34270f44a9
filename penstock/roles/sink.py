"""The sink's process: everything that people query goes into the store."""

import threading
from collections.abc import Callable

from consumers.loop import SinkLoop
from penstock import wiring
from runtime.kafka import ensure_topics
from runtime.process import Body
from runtime.settings import Settings


def sink_body(settings: Settings, _slot: int) -> Body:
    def run(stop: threading.Event, ready: Callable[[], None]) -> None:
        ensure_topics(settings.kafka, settings.topics)
        loop: SinkLoop = wiring.sink_loop(settings)
        loop.run(stop, ready)

    return run
