"""Loads what a deployment names, and keeps what it may need at once: versions, decoder, encoder.

A deployment comes in, a complete `Serving` goes out. Versions that serve, or stand by, stay in
memory, so that a switch or a rollback between them asks neither the shelf nor the registry.
"""

import threading
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from registry.errors import BundleRefusedError
from registry.loaded import LoadedVersion
from schemas.columns import RequestDecoder
from schemas.decoders import build_decoder
from schemas.events import DeploymentState, ServedVersion
from schemas.prediction_encoder import PredictionEncoder
from schemas.registry_port import SchemaRegistry
from streams.scoring.serving import Serving
from streams.scoring.strikes import Strikes

_Key = tuple[str, str, str]


class VersionSource(Protocol):
    """Where versions come from: the shelf, or its cache when the shelf is away."""

    def open(self, name: str, version: str, *, bundle: str | None) -> LoadedVersion:
        """The version, checked. Raises `BundleRefusedError` naming the check that failed."""
        ...


class ServedVersionRefusedError(BundleRefusedError):
    """One of the versions that a deployment names failed a check."""

    def __init__(self, version: str, refusal: BundleRefusedError) -> None:
        super().__init__(refusal.check, refusal.detail)
        self.version = version


@dataclass(frozen=True, slots=True, kw_only=True)
class _Previous:
    """The version that served before; `bundle` None: whichever the shelf has under its name."""

    version: str
    bundle: str | None


class Loader:
    """Builds a complete `Serving` from a deployment, on the loading thread; `at_hand` is for any thread."""

    def __init__(
        self,
        *,
        versions: VersionSource,
        schemas: SchemaRegistry,
        strikes: Strikes,
        decoder: Literal["arrow", "fastavro"],
        value_bytes_max: int,
        quarantine: Literal["previous_version", "dead_letter"],
    ) -> None:
        self._versions = versions
        self._schemas = schemas
        self._strikes = strikes
        self._decoder = decoder
        self._value_bytes_max = value_bytes_max
        self._quarantine = quarantine
        self._lock = threading.Lock()
        self._opened: dict[_Key, LoadedVersion] = {}
        self._decoders: dict[tuple[str, int], RequestDecoder] = {}
        self._encoders: dict[tuple[str, int], PredictionEncoder] = {}

    def load(self, state: DeploymentState) -> Serving:
        """Open what is not open yet.

        Raises `ServedVersionRefusedError`, or what the shelf or the registry raise when they are away.
        """
        struck = self._strikes.quarantined(state)
        opened: dict[str, LoadedVersion | None] = {}
        for served in state.versions:
            wanted = self._wanted(state, served, struck)
            opened[served.version] = None if wanted is None else self._open(state, wanted.version, wanted.bundle)
        serving = self._built(state, opened, struck)
        self._forget_others(state, serving)
        return serving

    def at_hand(self, state: DeploymentState) -> Serving | None:
        """The serving where everything that it takes is in memory already; None where something is not."""
        if self._strikes.quarantined(state):
            return None
        with self._lock:
            opened = {
                served.version: self._opened.get((state.model, served.version, served.bundle))
                for served in state.versions
            }
        decoder, encoder = (state.model, state.request_schema_id), (state.model, state.prediction_schema_id)
        if decoder not in self._decoders or encoder not in self._encoders or not opened:
            return None
        if any(loaded is None or state.withdrawal_of(version) is not None for version, loaded in opened.items()):
            return None
        return self._built(state, opened, {})

    def warm(self, state: DeploymentState) -> None:
        """Open the versions that stand by. Raises as `load` does."""
        for standby in state.standby:
            self._open(state, standby.version, standby.bundle)

    def _wanted(
        self, state: DeploymentState, served: ServedVersion, struck: dict[str, str]
    ) -> "ServedVersion | _Previous | None":
        """What scores for a version: itself, the previous one in place of a quarantined one, or nothing."""
        if served.version not in struck:
            return served
        previous = state.previous_version
        if self._quarantine == "dead_letter" or previous is None or previous in struck:
            return None
        known = [each.bundle for each in state.standby if each.version == previous]
        return _Previous(version=previous, bundle=known[0] if known else None)

    def _open(self, state: DeploymentState, version: str, bundle: str | None) -> LoadedVersion:
        """The controller lets no withdrawn version serve; whoever wrote a deployment that does is not believed."""
        withdrawn = state.withdrawal_of(version)
        if withdrawn is not None:
            refusal = BundleRefusedError(withdrawn.state, f"by {withdrawn.issued_by}: {withdrawn.reason}")
            raise ServedVersionRefusedError(version, refusal)
        with self._lock:
            kept = self._opened.get((state.model, version, bundle or ""))
        if kept is not None:
            return kept
        try:
            opened = self._versions.open(state.model, version, bundle=bundle)
        except BundleRefusedError as error:
            raise ServedVersionRefusedError(version, error) from error
        with self._lock:
            self._opened[state.model, version, opened.bundle] = opened
        return opened

    def _built(
        self, state: DeploymentState, opened: dict[str, LoadedVersion | None], struck: dict[str, str]
    ) -> Serving:
        served = tuple(_as_opened(each, opened[each.version]) for each in state.versions)
        return Serving(
            state=replace(state, versions=served),
            versions=tuple(opened[each.version] for each in state.versions),
            quarantined={version: struck[version] for version, loaded in opened.items() if loaded is None},
            decoder=self._decoder_of(state),
            encoder=self._encoder_of(state),
        )

    def _decoder_of(self, state: DeploymentState) -> RequestDecoder:
        key = (state.model, state.request_schema_id)
        if key not in self._decoders:
            self._decoders[key] = build_decoder(
                self._decoder,
                registry=self._schemas,
                request_schema_id=state.request_schema_id,
                value_bytes_max=self._value_bytes_max,
            )
        return self._decoders[key]

    def _encoder_of(self, state: DeploymentState) -> PredictionEncoder:
        key = (state.model, state.prediction_schema_id)
        if key not in self._encoders:
            self._encoders[key] = PredictionEncoder(
                "arrow", schema_id=state.prediction_schema_id, schema=self._schemas.schema(state.prediction_schema_id)
            )
        return self._encoders[key]

    def _forget_others(self, state: DeploymentState, serving: Serving) -> None:
        """Of the model keep what serves, what stands by, and what serves in a quarantined version's place."""
        kept = {(each.version, each.bundle) for each in state.versions}
        kept |= {(each.version, each.bundle) for each in state.standby}
        kept |= {(loaded.version, loaded.bundle) for loaded in serving.versions if loaded is not None}
        with self._lock:
            for key in [key for key in self._opened if key[0] == state.model and key[1:] not in kept]:
                del self._opened[key]
            for decoder in [
                key for key in self._decoders if key[0] == state.model and key[1] != state.request_schema_id
            ]:
                del self._decoders[decoder]


def _as_opened(served: ServedVersion, loaded: LoadedVersion | None) -> ServedVersion:
    """What is served under the name of what scores it."""
    return served if loaded is None else replace(served, version=loaded.version, bundle=loaded.bundle)
