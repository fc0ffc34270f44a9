"""Loads what a deployment names: versions from the shelf, schemas from the registry."""

from dataclasses import replace
from typing import Literal, Protocol

from registry.errors import BundleRefusedError
from registry.loaded import LoadedVersion
from schemas.decoders import build_decoder
from schemas.events import DeploymentState, ServedVersion
from schemas.prediction_encoder import PredictionEncoder
from schemas.registry_port import SchemaRegistry
from streams.scoring.serving import Serving
from streams.scoring.strikes import Strikes


class VersionSource(Protocol):
    """Where versions come from: the shelf, or its cache when the shelf is away."""

    def open(self, name: str, version: str, *, bundle: str | None) -> LoadedVersion:
        """The version, checked. Raises `BundleRefusedError` naming the check that failed."""
        ...


class Loader:
    """Builds a complete `Serving` from a deployment; runs on the loading thread."""

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

    def load(self, state: DeploymentState) -> Serving:
        """Raises `BundleRefusedError`, or what the shelf or the registry raise when they are away."""
        struck = self._strikes.quarantined(state)
        opened = [self._open(state, served, struck) for served in state.versions]
        served = tuple(
            served if loaded is None else replace(served, version=loaded.version, bundle=loaded.bundle)
            for served, loaded in zip(state.versions, opened, strict=True)
        )
        return Serving(
            state=replace(state, versions=served),
            versions=tuple(opened),
            quarantined={
                entry.version: struck[entry.version]
                for entry, loaded in zip(served, opened, strict=True)
                if loaded is None
            },
            decoder=build_decoder(
                self._decoder,
                registry=self._schemas,
                request_schema_id=state.request_schema_id,
                value_bytes_max=self._value_bytes_max,
            ),
            encoder=PredictionEncoder(
                "arrow",
                schema_id=state.prediction_schema_id,
                schema=self._schemas.schema(state.prediction_schema_id),
            ),
        )

    def _open(self, state: DeploymentState, served: ServedVersion, struck: dict[str, str]) -> LoadedVersion | None:
        if served.version not in struck:
            return self._open_unbarred(state, served.version, served.bundle)
        previous = state.previous_version
        if self._quarantine == "dead_letter" or previous is None or previous in struck:
            return None
        return self._open_unbarred(state, previous, None)

    def _open_unbarred(self, state: DeploymentState, version: str, bundle: str | None) -> LoadedVersion:
        """The controller lets no such version serve; whoever wrote a deployment that does is not believed."""
        withdrawn = state.withdrawal_of(version)
        if withdrawn is not None:
            raise BundleRefusedError(withdrawn.state, f"by {withdrawn.issued_by}: {withdrawn.reason}")
        return self._versions.open(state.model, version, bundle=bundle)
