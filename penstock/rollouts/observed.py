"""What each version was really asked to score of late, from the newest profiles on their topic."""

from collections import Counter
from collections.abc import Mapping

from confluent_kafka import KafkaException

from penstock import wiring
from runtime.kafka import build_reader, system_partition
from runtime.settings import Settings
from schemas.errors import EventDecodeError
from schemas.events import DeploymentState, Profile
from schemas.topics import PROFILES
from streams.scoring.roles import ARM_PINNED

_PROFILES = 400
_POLL_S = 0.2
_POLLS = 10


class ObservedShares:
    """Counts rows by version in the present generation; `settings` name a broker that exists."""

    def __init__(self, settings: Settings, model: str) -> None:
        self._model = model
        self._codec = wiring.codec(settings)
        self._reader = build_reader(settings.kafka)
        topic = wiring.topics(settings).of(PROFILES)
        try:
            low, high = self._reader.get_watermark_offsets(
                system_partition(topic, 0), timeout=settings.kafka.request_timeout_s
            )
        except KafkaException:
            # Nothing was profiled yet, or it can't be told now: shares stay unobserved.
            low = high = 0
        self._reader.assign([system_partition(topic, max(high - _PROFILES, low))])
        self._rows: Counter[tuple[int, str]] = Counter()

    def catch_up(self) -> None:
        """Read what is there now, within a bound."""
        for _ in range(_POLLS):
            if not self.take(_POLL_S):
                return

    def take(self, wait_s: float = 0.0) -> int:
        """Read what has come; returns how many profiles."""
        taken = 0
        for message in self._reader.consume(_PROFILES, wait_s):
            if message.error() is not None:
                continue
            try:
                profile = self._codec.decode(Profile, message.value())
            except EventDecodeError:
                continue
            taken += 1
            if profile.model == self._model and profile.role == "live" and profile.arm != ARM_PINNED:
                self._rows[profile.generation, profile.version] += profile.rows
        return taken

    def rows(self, state: DeploymentState) -> Mapping[str, int]:
        """Rows by version since the deployment's generation began, but for those that a rule has pinned."""
        return {version: count for (generation, version), count in self._rows.items() if generation == state.generation}

    def close(self) -> None:
        self._reader.close()
