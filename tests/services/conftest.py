"""One real broker for the whole test run, and topics of its own for each test."""

import shutil
from collections.abc import Iterator

import pytest

from tests.services.kafka_server import KafkaServer


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
