"""What serves one model at present: the deployment, its loaded versions, decoder and encoder."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from registry.loaded import LoadedVersion
from schemas.columns import RequestDecoder
from schemas.events import DeploymentState
from schemas.prediction_encoder import PredictionEncoder
from streams.scoring.routing import Router, Routing


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Complete: every version that the deployment names is loaded, or quarantined with the reason."""

    state: DeploymentState
    versions: tuple[LoadedVersion | None, ...]
    quarantined: Mapping[str, str]
    decoder: RequestDecoder
    encoder: PredictionEncoder
    router: Routing = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "router", Router(self.state))
        assert len(self.versions) == len(self.state.versions), self.state.model
        for served, loaded in zip(self.state.versions, self.versions, strict=True):
            assert (loaded is None) == (served.version in self.quarantined), (self.state.model, served.version)
