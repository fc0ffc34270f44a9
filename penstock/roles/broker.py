"""The embedded broker's process."""

from runtime.embedded import run_embedded_broker
from runtime.metrics import Meters
from runtime.process import Body
from runtime.settings import Settings


def build_body(settings: Settings, _slot: int, _meters: Meters) -> Body:
    return lambda stop, ready: run_embedded_broker(settings, stop=stop, ready=ready)
