"""The stack as docs/operators.md has it on a broker with rights: least privilege works, more is refused, secrets stay.

Every role has a user of its own; rights come from `penstock topics acls`, topics from `penstock topics
create`, and every process of penstock runs with the rights of its role alone.
"""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock import wiring
from producers.errors import DeliveryFailedError
from producers.publisher import Publisher
from runtime.access import Grant
from runtime.access_control import allow
from runtime.follower import read_to_end
from schemas.topics import DEPLOYMENTS
from tests.services.prerequisites import REGISTRY
from tests.services.registry_server import RegistryServer
from tests.services.scoring_model import FEATURES, ScoringModel
from tests.services.secured_kafka import SecuredKafka
from tests.services.secured_stack import MODEL, SecuredStack, disguises
from tests.services.waiting import wait_for
from tests.stack import ROOT

pytestmark = pytest.mark.services(REGISTRY)

ROWS = 400
FAUST_S = 90.0
COUNTING = """
import sys
from pathlib import Path

from runtime.schema_registry import build_schema_registry
from runtime.settings import load_settings
from schemas.topics import PREDICTIONS
from streams.faust_app import build_app, topic_of

settings = load_settings(Path(sys.argv.pop()))
app = build_app("counting", settings)
predictions = topic_of(app, PREDICTIONS, "boxes", settings=settings, schemas=build_schema_registry(settings))
seen = 0


@app.agent(predictions)
async def count(stream):
    global seen
    async for prediction in stream:
        seen += 1
        print(f"{seen} predictions seen")


app.main()
"""


@pytest.fixture(scope="module")
def stack(
    secured_kafka: SecuredKafka,
    registry_server: RegistryServer,
    model: ScoringModel,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SecuredStack]:
    """A running stack with a served model and predictions, each process as its own user."""
    made = SecuredStack.of(
        secured_kafka,
        tmp_path_factory.mktemp("secured"),
        prefix=f"s{uuid.uuid4().hex[:6]}.",
        registry_url=registry_server.url,
        token=f"planted-token-{uuid.uuid4().hex}",
    )
    made.run("admin", "topics", "acls", MODEL, "--apply")
    made.run("operators", "topics", "create", MODEL)
    try:
        made.start(0, 1)
        made.add_versions(model)
        made.run("operators", "activate", MODEL, "1")
        file = _requests(made.folder, model)
        made.run("producers", "requests", "send", MODEL, str(file), "--entity", "entity", "--id", "id")
        yield made
    finally:
        made.stop()


def test_every_role_does_its_work_with_its_own_rights(stack: SecuredStack) -> None:
    """Requests of producers become predictions for consumers and documents, and operators see that all is well."""
    tail = ("predictions", "tail", MODEL, "--from-start", "--limit", str(ROWS), "--timeout", "60", "--json")
    read = stack.run("consumers", *tail).splitlines()
    examined = json.loads(stack.run("operators", "doctor", "--json"))
    wait_for(lambda: _settled(stack), "the ledger has seen all", every_s=1.0)
    (entry,) = json.loads(stack.run("operators", "ledger", "--check", "--json"))["models"]

    assert {json.loads(line)["request_id"] for line in read} == {f"r{row}" for row in range(ROWS)}
    assert [hop for hop in examined["hops"] if hop["state"] != "ok"] == []
    assert (entry["accepted"], entry["scored"], entry["dead_lettered"]) == (ROWS, ROWS, 0)


def test_deployments_are_the_controllers_alone(stack: SecuredStack) -> None:
    """Whoever could write there would decide what serves: every other role is refused, and nothing arrives."""
    topic = wiring.topics(stack.settings("operators")).of(DEPLOYMENTS)
    before = len(read_to_end(stack.settings("operators").kafka, topic, deadline_s=30))
    refused = []
    for role in stack.users.keys() - {"admin", "controller"}:
        publisher = Publisher(stack.settings(role))
        publisher.publish(topic, b"mine", key=MODEL.encode(), partition=0)
        with pytest.raises(DeliveryFailedError, match="authorization failed"):
            publisher.flush()
        refused.append(role)

    assert len(refused) >= 7
    assert len(read_to_end(stack.settings("operators").kafka, topic, deadline_s=30)) == before


def test_rights_of_another_role_are_not_enough(stack: SecuredStack) -> None:
    """A scorer that runs as the sink's user ends at once, and says which right it lacks."""
    process = stack.process("scorer", 7, user="sink")
    process.start()
    wait_for(lambda: not process.running, "it gives up")

    assert process.returncode == 1
    assert "Transactional Id authorization failed" in process.err.read_text()


def test_a_faust_app_takes_part_as_any_consumer(stack: SecuredStack) -> None:
    """The credentials and the authority of the settings are Faust's too."""
    group = [Grant(role="consumers", resource="group", name="counting", operations=("read",))]
    allow(stack.settings("admin").kafka, group, principal_of=lambda role: f"User:penstock-{role}")
    program, log = stack.folder / "counting.py", stack.data_dir / "counting.log"
    program.write_text(COUNTING)
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, str(program), "worker", "--without-web", str(stack.config)],
            cwd=stack.folder,
            env={**os.environ, **stack.environment("consumers"), "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        seen = f"{ROWS} predictions seen"
        wait_for(lambda: seen in log.read_text() or worker.poll() is not None, "the app sees all", timeout_s=FAUST_S)
    finally:
        worker.send_signal(signal.SIGINT)
        worker.wait(FAUST_S)

    assert seen in log.read_text(), log.read_text()


def test_planted_secrets_are_nowhere(stack: SecuredStack) -> None:
    """After work, refusals and a clean end: no byte that was printed, logged, stored or published holds a secret."""
    both = {"PENSTOCK_KAFKA__SASL_PASSWORD": stack.users["producers"].password}
    unclear = stack.run("producers", "topics", "list", ends_with=2, further=both)
    wrong = {
        "PENSTOCK_KAFKA__SASL_PASSWORD_FILE": str(stack.users["sink"].password_file),
        "PENSTOCK_KAFKA__REQUEST_TIMEOUT_S": "4",
    }
    refused = stack.run("producers", "topics", "list", ends_with=1, further=wrong)
    ended = stack.stop()
    said = list(stack.everything_said())
    found = {
        (place, secret)
        for place, content in said
        for secret in stack.secrets
        for disguise in disguises(secret, stack.users)
        if disguise in content
    }
    places = [place for place, _content in said]

    assert "sasl_password or sasl_password_file, not both" in unclear
    assert "SASL authentication error" in refused
    assert {name: stack.processes[name].said() for name, code in ended.items() if code != 0} == {}
    assert found == set()
    for searched in ("scorer-0.err", "run/", "store.sqlite", ".logs", ".dead-letters", ".receipts"):
        assert any(searched in place for place in places), searched


def _settled(stack: SecuredStack) -> bool:
    (entry,) = json.loads(stack.run("operators", "ledger", "--json"))["models"]
    return bool(entry["scored"] == ROWS and entry["in_flight"] == 0)


def _requests(folder: Path, model: ScoringModel) -> Path:
    path = folder / "requests.jsonl"
    rows = model.rows[:ROWS].tolist()
    lines = [
        json.dumps({"id": f"r{number}", "entity": f"e{number % 50}", **dict(zip(FEATURES, row, strict=True))})
        for number, row in enumerate(rows)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path
