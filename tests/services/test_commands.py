"""The commands on a real broker, where topics are made, configured and kept, and transactions have markers."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.penstock.command import Ended, run
from tests.runtime.lane_parts import eventually
from tests.services.deployment import MODEL, Deployment

ROWS = 500


def test_the_commands_work_on_real_kafka(
    deployment: Deployment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From `topics create` to a balanced ledger, exactly once, with two scorers."""

    def penstock(*arguments: object) -> Ended:
        ended = run(capsys, [*arguments, "--data-dir", deployment.data_dir, "--config", deployment.config])
        assert "Traceback" not in ended.err, ended.err
        return ended

    def asked(*arguments: object) -> Any:
        ended = penstock(*arguments, "--json")
        assert ended.code == 0, ended.err
        return ended.json

    with deployment.up(workers=2):
        created = asked("topics", "create", "another")["created"]
        described = asked("topics", "describe", f"{deployment.prefix}{MODEL}.requests")
        shown = asked("schema", "show", MODEL)
        sent = asked("requests", "send", MODEL, _file(tmp_path, shown["schema"]), "--entity", "entity", "--id", "id")
        tailed = penstock("predictions", "tail", MODEL, "--from-start", "--limit", ROWS, "--timeout", "60", "--json")
        again = asked("activate", MODEL, "2")
        examined = asked("doctor")
        settled = eventually(lambda: _entry(asked("ledger"))["in_flight"] == 0, timeout_s=60)
        entry = _entry(asked("ledger", "--check"))
        sql = "SELECT count(*) AS n, count(DISTINCT request_id) AS ids FROM predictions"
        stored = eventually(lambda: asked("query", sql) == [{"n": ROWS, "ids": ROWS}], timeout_s=60)

    assert len(created) == 5
    assert (described["partitions"], described["config"]["message.timestamp.type"]) == (
        deployment.partitions,
        "LogAppendTime",
    )
    assert (sent["sent"], sent["refused"]) == (ROWS, 0)
    assert {json.loads(line)["request_id"] for line in tailed.out.splitlines()} == {f"r{row}" for row in range(ROWS)}
    assert again["generation"] == 2
    assert [hop for hop in examined["hops"] if hop["state"] != "ok"] == []
    assert settled
    assert [entry[name] for name in ("accepted", "scored", "lost", "duplicates", "redelivered")] == [
        ROWS,
        ROWS,
        0,
        0,
        0,
    ]
    assert stored


def _entry(ledger: dict[str, Any]) -> dict[str, Any]:
    return dict(next(entry for entry in ledger["models"] if entry["name"] == MODEL))


def _file(folder: Path, schema: dict[str, Any]) -> Path:
    """A file with every feature of the schema, whatever it is."""
    values = {"double": 0.5, "long": 1, "boolean": True, "string": "a"}
    fields = next(field for field in schema["fields"] if field["name"] == "features")["type"]["fields"]
    features = {
        field["name"]: values[field["type"][1] if isinstance(field["type"], list) else field["type"]]
        for field in fields
    }
    path = folder / "requests.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for row in range(ROWS):
            file.write(json.dumps({"id": f"r{row}", "entity": f"e{row % 40}", **features}) + "\n")
    return path
