"""A worker holds versions to its own settings: it serves what was signed, and nothing else that it is told to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock import wiring
from penstock.deployed import deployments
from registry.catalogue import VersionRecord
from registry.statements import SignedStatement, Statement, Verdict
from schemas.events import ModelEvent, Signal
from schemas.topics import MODEL_EVENTS, SIGNALS, TopicKind
from tests.registry.people import People
from tests.services.deployment import MODEL, Deployment
from tests.services.faults import FaultLog
from tests.services.topic_records import TopicRecord, read_topic
from tests.services.traffic import send_at_once
from tests.services.verdicts import assert_each_exactly_once, assert_in_order, assert_scored_right
from tests.services.waiting import wait_for
from tests.stack import PenstockProcess

REQUESTS = 300


def test_a_worker_serves_what_was_signed_and_the_old_version_goes_on(
    deployment: Deployment, tmp_path: Path, faults: FaultLog
) -> None:
    """The controller lets an unsigned version serve, the worker refuses it: the activation fails, requests are scored.

    Then the worker starts again while the shelf is away, and its copies have the signatures.
    """
    people = People.of(tmp_path, "bob")
    strict = tmp_path / "strict.toml"
    strict.write_text(
        deployment.config.read_text()
        + f'[policy]\napprovals_required = 1\n[policy.approvers]\nbob = ["{people.keys["bob"].public_key}"]\n'
    )
    deployment.add_versions()
    catalogue = wiring.catalogue(deployment.settings)
    catalogue.record_approval(approval(people, catalogue.record(MODEL, "1")))
    traffic = deployment.traffic(per_s=0)
    with running(deployment, "controller", deployment.config):
        with running(deployment, "scorer", strict):
            deployment.activate("1")
            send_at_once(traffic, REQUESTS)
            deployment.wait_settled()
            deployment.activate("2")
            wait_for(lambda: phase(deployment) == "Failed", "the activation has failed", every_s=0.5)
            traffic.first = REQUESTS
            send_at_once(traffic, REQUESTS)
            deployment.wait_settled()
        lose_shelf(deployment)
        with running(deployment, "scorer", strict):
            traffic.first = 2 * REQUESTS
            send_at_once(traffic, REQUESTS)
            deployment.wait_settled()
    predictions = deployment.predictions()
    signals = [deployment.decode(Signal, each) for each in records(deployment, SIGNALS)]
    refused = [each for each in signals if each.kind == "version_refused"]
    events = [deployment.decode(ModelEvent, each) for each in records(deployment, MODEL_EVENTS)]

    faults.hit("versions refused by a worker", len(refused))
    assert {"version 2" in each.message for each in refused} == {True}
    assert "check 'approvals' failed: it has 0 of 1 approvals" in refused[0].message
    assert set(predictions.versions.tolist()) == {"1"}
    assert_each_exactly_once(traffic.accepted, predictions)
    assert_scored_right(predictions, deployment.model)
    assert_in_order(predictions)
    assert [each.kind for each in events if each.kind in {"Activated", "Superseded", "ActivationFailed"}] == [
        "Activated",
        "Activated",
        "Superseded",
        "ActivationFailed",
    ]
    assert {each.version for each in events if each.kind == "Registered"} == {"1", "2"}


def approval(people: People, record: VersionRecord) -> SignedStatement:
    """Bob's word for a version."""
    statement = Statement(
        model=record.name,
        version=record.version,
        bundle=record.bundle,
        verdict=Verdict.APPROVE,
        person="bob",
        reason="read it",
        decided_at=1,
    )
    return statement.signed(people.keys["bob"])


@contextmanager
def running(deployment: Deployment, role: str, config: Path) -> Iterator[None]:
    """A process of that role under settings of its own, from when it serves until it is stopped."""
    process = PenstockProcess(
        arguments=("run", role, "--slot", "0"), data_dir=deployment.data_dir, config=config, name=f"{role}-0"
    )
    process.start()
    try:
        wait_for(lambda: deployment.pid(role, 0) == process.pid, f"the {role} serves", every_s=0.1)
        yield
    finally:
        process.stop()


def phase(deployment: Deployment) -> str:
    """Where the model's latest rollout or activation is."""
    rollout = deployments(deployment.settings)[MODEL].rollout
    return "" if rollout is None else rollout.phase


def lose_shelf(deployment: Deployment) -> None:
    """Bundles are gone and the catalogue can't be read; the schemas in the same directory stay."""
    shelf = deployment.settings.registry_dir
    (shelf / "bundles").rename(shelf / "bundles-away")
    (shelf / "catalogue.sqlite").write_bytes(b"no database")


def records(deployment: Deployment, kind: TopicKind) -> list[TopicRecord]:
    """Everything on a system topic."""
    return read_topic(deployment.server.bootstrap_servers, wiring.topics(deployment.settings).of(kind))
