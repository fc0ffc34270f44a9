"""Reads predictions as any consumer would and measures how long each took: a thread of its own."""

import threading
import time
from collections import Counter

from penstock.demo.latency import Latencies
from penstock.tailing import PredictionTail
from runtime.settings import Settings

_STOP_S = 10.0


class LatencyTail:
    """Tails one model's predictions from the start; `latencies` and `versions` grow as they are read."""

    def __init__(self, settings: Settings, model: str) -> None:
        self.latencies = Latencies()
        self.versions: Counter[str] = Counter()
        self.failure: Exception | None = None
        self._tail = PredictionTail(settings, model, from_start=True)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tail", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def check(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                for tailed in self._tail.poll():
                    self.latencies.read(str(tailed.prediction["request_id"]), time.monotonic())
                    self.versions[str(tailed.prediction["version"])] += 1
        except Exception as error:  # noqa: BLE001  # handed to the main thread by `check`
            self.failure = error
        finally:
            self._tail.close()
