"""A worker loads what the deployment names, unless the deployment itself speaks against it."""

from pathlib import Path

import pytest

from registry.errors import BundleRefusedError
from registry.loaded import LoadedVersion
from schemas.events import BucketRange, DeploymentState, ServedVersion, WithdrawnVersion
from streams.scoring.loading import Loader
from streams.scoring.strikes import STRIKES_MAX, Strikes
from tests.contracts.schemas_in_memory import SchemasInMemory

BARRED = WithdrawnVersion(version="1", state="barred", reason="wrong for freight", issued_by="ann", decided_at=1)


class NeverAsked:
    """A shelf that must not be asked."""

    def open(self, name: str, version: str, *, bundle: str | None) -> LoadedVersion:
        raise AssertionError(f"version {version} of {name} was opened")


def deployment(version: str, *, previous: str | None = None) -> DeploymentState:
    """A deployment by hand, as no controller would write it: what is barred serves, or is gone back to."""
    served = ServedVersion(version=version, bundle="b", arm="live", buckets=(BucketRange(start=0, end=10_000),))
    return DeploymentState(
        model="flights",
        generation=3,
        salt=7,
        versions=(served,),
        previous_version=previous,
        request_schema_id=1,
        prediction_schema_id=2,
        accepted_losses=(),
        command_id="c",
        decided_at=1,
        withdrawn=(BARRED,),
    )


@pytest.fixture
def strikes(tmp_path: Path) -> Strikes:
    return Strikes(tmp_path)


@pytest.fixture
def loader(strikes: Strikes) -> Loader:
    return Loader(
        versions=NeverAsked(),
        schemas=SchemasInMemory(),
        strikes=strikes,
        decoder="arrow",
        value_bytes_max=1_000,
        quarantine="previous_version",
    )


def test_a_barred_version_is_not_opened(loader: Loader) -> None:
    """Whoever can write deployments can still not let it serve."""
    with pytest.raises(BundleRefusedError, match="check 'barred' failed: by ann: wrong for freight"):
        loader.load(deployment("1"))


def test_a_quarantined_version_is_not_replaced_by_a_barred_one(loader: Loader, strikes: Strikes) -> None:
    """Going back to the previous version is letting it serve."""
    state = deployment("2", previous="1")
    for _ in range(STRIKES_MAX):
        strikes.add("flights", "2", state.generation, "hung")

    with pytest.raises(BundleRefusedError, match="check 'barred' failed"):
        loader.load(state)
