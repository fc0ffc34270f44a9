"""Twenty thousand damaged messages through the whole embedded stack: every one is accounted for."""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message, Producer

from penstock import wiring
from runtime.settings import load_settings
from runtime.status import read_status
from tests.contracts.request_generation import damaged
from tests.services.scoring_model import RequestEncoder, ScoringModel, build_scoring_model, entity_of
from tests.services.waiting import wait_for
from tests.stack import penstock, penstock_json, resident_bytes_max, running_stack

MODEL = "fuzzed"
MESSAGES = 20_000
AT_ONCE = 5_000
RESIDENT_BYTES_ALLOWED = 500_000_000
REASONS_AT_LEAST = 12
LETTERS = 'SELECT reason, partition, "offset", value_sha256 FROM dead_letters'
Sent = dict[tuple[int, int], str]


@pytest.mark.timeout(600)
def test_every_damaged_message_is_scored_or_dead_lettered(tmp_path: Path) -> None:
    """Keys, frames and bodies changed at random: the scorer lives, its memory is bounded, the ledger balances."""
    model = build_scoring_model(1)
    wiring.shelf(load_settings(data_dir=tmp_path)).add(MODEL, model.estimators["1"], model.sample())
    sent: Sent = {}
    with running_stack(tmp_path) as stack:
        broker = str(stack.wait_ready()["broker"])
        penstock("activate", MODEL, "1", data_dir=tmp_path)
        before = scorer_pid(tmp_path)
        for chunk in mutations(encoder(tmp_path, model)):
            sent |= send(broker, chunk)
            wait_for(lambda: entry(tmp_path)["in_flight"] < AT_ONCE, "the stack keeps up", every_s=1.0)
        wait_for(lambda: accounted(tmp_path) >= len(sent), "all are accounted for", timeout_s=120, every_s=1.0)
        ledger = entry(tmp_path)
        wait_for(lambda: stored(tmp_path) >= ledger["dead_lettered"], "all dead letters are stored", every_s=1.0)
        resident = resident_bytes_max(before)
        after = scorer_pid(tmp_path)
        letters = penstock_json("query", LETTERS, data_dir=tmp_path)

    assert len(sent) == MESSAGES
    assert (ledger["accepted"], ledger["in_flight"], ledger["lost"]) == (MESSAGES, 0, 0)
    assert ledger["scored"] + ledger["dead_lettered"] == MESSAGES
    assert ledger["balanced"]
    assert len(letters) == ledger["dead_lettered"]
    assert all(sent[letter["partition"], letter["offset"]] == letter["value_sha256"] for letter in letters)
    assert len({letter["reason"] for letter in letters}) >= REASONS_AT_LEAST
    assert 0 < ledger["scored"] < MESSAGES
    assert after == before
    assert resident < RESIDENT_BYTES_ALLOWED


def mutations(encode: RequestEncoder) -> Iterator[list[tuple[bytes | None, bytes | None]]]:
    """Keys and values in chunks: a seventh left as they should be, the rest changed in some way."""
    chance = random.Random(20_130_401)
    for first in range(0, MESSAGES, AT_ONCE):
        yield [mutated(encode, number, chance) for number in range(first, first + AT_ONCE)]


def mutated(encode: RequestEncoder, number: int, chance: random.Random) -> tuple[bytes | None, bytes | None]:
    """One message, perhaps damaged."""
    key, value = entity_of(number).encode(), encode.encode(number)
    kind = chance.randrange(14)
    if kind < 6:
        return key, value[:5] + damaged(value[5:], chance)
    if kind < 8:
        return key, damaged(value, chance)
    changed: dict[int, tuple[bytes | None, bytes | None]] = {
        8: (None, value),
        9: (damaged(key, chance), value),
        10: (key, chance.choice([None, b""])),
        11: (key, chance.choice([b"\x01", b"\x00"]) + chance.randbytes(4) + value[5:]),
        12: (key, chance.randbytes(chance.randrange(1, 400))),
    }
    return changed.get(kind, (key, value))


def send(broker: str, messages: list[tuple[bytes | None, bytes | None]]) -> Sent:
    """Publish, and tell the hash of each value by the place that it was given."""
    producer = Producer({"bootstrap.servers": broker, "partitioner": "murmur2_random"})
    places: Sent = {}

    def delivered(error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        value = message.value() or b""
        places[message.partition() or 0, message.offset() or 0] = hashlib.sha256(value).hexdigest()

    for key, value in messages:
        producer.produce(f"{MODEL}.requests", value, key, on_delivery=delivered)
    assert producer.flush(60) == 0
    return places


def encoder(data_dir: Path, model: ScoringModel) -> RequestEncoder:
    """Requests for the registered model, from its own schema."""
    schema_id, schema = wiring.schema_registry(load_settings(data_dir=data_dir)).latest(f"{MODEL}.requests-value")
    return RequestEncoder.of(model, schema=schema, schema_id=schema_id)


def entry(data_dir: Path) -> dict[str, Any]:
    ledger = penstock_json("ledger", data_dir=data_dir)
    return dict(next(model for model in ledger["models"] if model["name"] == MODEL))


def accounted(data_dir: Path) -> int:
    ledger = entry(data_dir)
    return int(ledger["scored"] + ledger["dead_lettered"])


def stored(data_dir: Path) -> int:
    rows = penstock_json("query", "SELECT count(*) AS letters FROM dead_letters", data_dir=data_dir)
    return int(rows[0]["letters"])


def scorer_pid(data_dir: Path) -> int:
    status = read_status(load_settings(data_dir=data_dir).run_dir, "scorer", 0)
    assert status is not None, "a running stack has a scorer"
    return status.pid
