"""A stack whose schemas are on a real schema registry: which serves it, goes away, comes back, and refuses."""

import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from penstock import wiring
from schemas.confluent_registry import ConfluentRegistry
from schemas.errors import SchemaIncompatibleError
from schemas.events import DeadLetter
from schemas.registry_api import RegistryApi
from tests.services.deployment import Deployment
from tests.services.faults import FaultLog
from tests.services.gate import Gate
from tests.services.prerequisites import REGISTRY
from tests.services.registry_server import RegistryServer
from tests.services.scoring_model import RequestEncoder
from tests.services.topic_records import read_topic
from tests.services.traffic import Traffic, send_at_once
from tests.services.verdicts import assert_balanced, assert_each_exactly_once, assert_scored_right
from tests.services.waiting import wait_for, wait_ready, wait_replaced
from tests.stack import kill_quietly, penstock_json

pytestmark = pytest.mark.services(REGISTRY)

FEW = 300
UNKNOWN_ID = 2**31 - 1


@pytest.fixture
def gate(registry_server: RegistryServer) -> Iterator[Gate]:
    with Gate(registry_server.port) as made:
        yield made


@pytest.fixture
def registered(deployment: Deployment, registry_server: RegistryServer, gate: Gate) -> Deployment:
    """A penstock of this test's own that reaches the registry through the gate."""
    deployment.registry_url = f"http://127.0.0.1:{gate.port}{registry_server.path}"
    deployment.write_config()
    return deployment


def test_an_outage_costs_time_and_nothing_else(
    registered: Deployment, registry_server: RegistryServer, gate: Gate, faults: FaultLog
) -> None:
    """While the registry is away, what is known goes on, also after a restart; what is new waits; none is refused."""
    with registered.up(workers=1) as stack:
        place = stack.wait_ready()["schema_registry"]
        known = registered.traffic(per_s=0)
        send_at_once(known, FEW)
        registered.wait_settled()
        gate.shut()
        pids = wait_ready(registered, (0,))
        kill_quietly(pids[0])
        wait_replaced(registered, (0,), pids)
        restarted = further(known, FEW, known.encoder)
        registered.wait_settled()
        new = further(known, 2 * FEW, evolved(registered, registry_server))
        wait_for(lambda: read_again(registered) > 0, "the scorer waits for the registry")
        waiting = registered.lag()
        gate.open()
        registered.wait_settled()
        faults.hit("batches read again while the registry was away", read_again(registered))
        predictions, ledger = registered.predictions(), registered.ledger()

    accepted = known.accepted | restarted.accepted | new.accepted
    assert place == registered.registry_url
    assert waiting == FEW
    assert_each_exactly_once(accepted, predictions)
    assert_scored_right(predictions, registered.model)
    assert_balanced(ledger, accepted=3 * FEW)


def test_a_process_that_knows_nothing_waits_for_the_registry(registered: Deployment, gate: Gate) -> None:
    """With its cache gone, a scorer serves nothing while the registry is away, and serves once it is back."""
    with registered.up(workers=1):
        pids = wait_ready(registered, (0,))
        gate.shut()
        shutil.rmtree(registered.data_dir / "cache" / "schemas")
        os.kill(pids[0], signal.SIGTERM)
        log = registered.settings.log_dir / "scorer-0.log"
        wait_for(lambda: "can't be used now" in log.read_text(), "the scorer misses the registry")
        gate.open()
        wait_replaced(registered, (0,), pids)
        traffic = registered.traffic(per_s=0)
        send_at_once(traffic, FEW)
        registered.wait_settled()
        ledger = registered.ledger()

    assert_balanced(ledger, accepted=FEW)


def test_a_definite_no_is_a_dead_letter_and_an_incompatible_schema_is_refused(registered: Deployment) -> None:
    """An id that the registry does not have, and a producer's schema that would break readers, each in its words."""
    with registered.up(workers=1):
        good = registered.traffic(per_s=0)
        further(good, 0, replace(good.encoder, schema_id=UNKNOWN_ID))
        registered.wait_settled()
        letters = read_topic(registered.server.bootstrap_servers, registered.dead_letters_topic)
        reasons = Counter(registered.decode(DeadLetter, letter).reason for letter in letters)
        examined = penstock_json("doctor", data_dir=registered.data_dir, config=registered.config)
        subject = f"{registered.requests_topic}-value"
        broken = json.loads(wiring.schema_registry(registered.settings).latest(subject)[1])
        broken["fields"].append({"name": "urgent", "type": "boolean"})
        with pytest.raises(SchemaIncompatibleError) as caught:
            wiring.schema_registry(registered.settings).register(subject, json.dumps(broken))

    (hop,) = (hop for hop in examined["hops"] if hop["hop"] == "schema registry")
    assert hop["detail"] == f"{registered.registry_url} answers"
    assert reasons == {"unknown_schema_id": FEW}
    assert (caught.value.field, caught.value.reason) == ("urgent", "is new and has no default")


def further(before: Traffic, first: int, encoder: RequestEncoder) -> Traffic:
    """More requests on the same topic, in the bytes of that producer; all are accepted when it returns."""
    traffic = Traffic(
        bootstrap_servers=before.bootstrap_servers, topic=before.topic, encoder=encoder, per_s=0, first=first
    )
    send_at_once(traffic, FEW)
    return traffic


def evolved(deployment: Deployment, server: RegistryServer) -> RequestEncoder:
    """A producer with a schema that no process has seen, registered behind the gate's back."""
    registry = ConfluentRegistry(RegistryApi(server.url, timeout_s=30))
    subject = f"{deployment.requests_topic}-value"
    schema = json.loads(registry.latest(subject)[1])
    schema["fields"].append({"name": "source", "type": ["null", "string"], "default": None})
    schema_id = registry.register(subject, json.dumps(schema))
    return RequestEncoder.of(deployment.model, schema=json.dumps(schema), schema_id=schema_id)


def read_again(deployment: Deployment) -> int:
    """How often the scorer found that a batch has to wait for the registry."""
    return (deployment.settings.log_dir / "scorer-0.log").read_text().count("can't be asked for")
