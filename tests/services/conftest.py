"""One real broker for the whole test run, and topics of its own for each test."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.deployment import Deployment
from tests.services.faults import HITS, FaultLog
from tests.services.kafka_server import KafkaServer
from tests.services.scoring_model import ScoringModel, build_scoring_model
from tests.services.secured_kafka import SecuredKafka


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A running broker; its log is kept when a test failed, its data never."""
    server = KafkaServer(data_dir=tmp_path_factory.mktemp("kafka"))
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.data_dir / "logs", ignore_errors=True)
        if not request.session.testsfailed:
            shutil.rmtree(server.data_dir, ignore_errors=True)


@pytest.fixture(scope="session")
def secured_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """A running broker with TLS, users and rights."""
    folder = tmp_path_factory.mktemp("secured-kafka")
    secured = SecuredKafka(folder)
    secured.start()
    try:
        yield secured
    finally:
        secured.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def model() -> ScoringModel:
    """Two versions of one small model."""
    return build_scoring_model()


@pytest.fixture
def deployment(kafka: KafkaServer, model: ScoringModel, request: pytest.FixtureRequest, tmp_path: Path) -> Deployment:
    """A penstock of this test's own; `@pytest.mark.parametrize("deployment", [{...}], indirect=True)` sets it up."""
    return Deployment(
        server=kafka,
        folder=tmp_path,
        prefix=f"t{uuid.uuid4().hex[:8]}.",
        model=model,
        **getattr(request, "param", {}),
    )


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> Iterator[FaultLog]:
    """Where a test notes how often its fault hit; the run's summary shows it."""
    log = FaultLog(request.node.name)
    yield log
    request.config.stash[HITS] += log.lines
