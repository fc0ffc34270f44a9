"""The demo on real servers, as `make demo-real` gives it: the answers are those of the embedded one."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from penstock import wiring
from penstock.demo.run import run_demo
from tests.penstock.demo_truth import assert_answers_true, assert_scores_true, flown
from tests.services.demo import Addresses, real_plan, real_settings
from tests.services.elasticsearch_server import ElasticsearchServer
from tests.services.kafka_server import KafkaServer
from tests.services.prerequisites import REGISTRY
from tests.services.registry_server import RegistryServer

pytestmark = pytest.mark.services(REGISTRY)

REQUESTS = 4_000
RATE = 400.0


def test_a_scorer_that_is_killed_changes_no_answer(
    kafka: KafkaServer, elasticsearch: ElasticsearchServer, registry_server: RegistryServer, tmp_path: Path
) -> None:
    """Every flight has one score of its version's own, each poison its dead letter, and the ledger balances."""
    addresses = Addresses(kafka=kafka.bootstrap_servers, elasticsearch=elasticsearch.url, registry=registry_server.url)
    settings, config = real_settings(tmp_path, addresses, prefix=f"{tmp_path.name}.")
    told = io.StringIO()

    answers = run_demo(settings, real_plan(config, requests=REQUESTS, rate=RATE), Console(file=told, width=200))

    flights = flown(REQUESTS)
    assert_answers_true(answers, flights)
    assert_scores_true(wiring.store(settings), settings, flights)
    assert "is killed with -9" in told.getvalue()
    assert "scorer-0 serves again" in told.getvalue()
    assert "exactly-once" in told.getvalue()
