"""The commands on a running stack, as a person at a terminal uses them; what scripts rely on."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from penstock import wiring
from penstock.cli.versions import find_version
from penstock.person import person
from producers.publisher import Publisher
from registry.catalogue import VersionState
from runtime.settings import Settings, load_settings
from runtime.stack import attach
from tests.penstock.command import Ended, run
from tests.penstock.conftest import MODEL, Shop, parcels
from tests.runtime.lane_parts import eventually

pytestmark = pytest.mark.wire

Command = Callable[..., Ended]


@pytest.fixture
def penstock(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command on the shared stack."""
    return lambda *arguments: run(capsys, [*arguments, "--data-dir", shop.data_dir])


@pytest.fixture
def settings(shop: Shop) -> Settings:
    return attach(load_settings(data_dir=shop.data_dir))


def requests_file(directory: Path, kind: str, *, prefix: str, rows: int = 30) -> Path:
    """Requests with ids, entities and times in a file of that kind, and a column that is no feature."""
    frame = parcels(rows)
    frame["id"] = [f"{prefix}-{row}" for row in range(rows)]
    frame["customer"] = [f"c{row % 7}" for row in range(rows)]
    frame["at"] = pd.date_range("2026-03-01T08:00:00Z", periods=rows, freq="min")
    path = directory / f"{prefix}.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "jsonl":
        frame.to_json(path, orient="records", lines=True, date_format="iso")
    else:
        frame.to_parquet(path)
    return path


def stored(penstock: Command, table: str, prefix: str) -> int:
    ended = penstock("query", f"SELECT count(*) AS n FROM {table} WHERE request_id LIKE '{prefix}-%'", "--json")
    return int(ended.json[0]["n"])


def test_schema_show_says_all_that_a_producer_needs(penstock: Command) -> None:
    """Topics, schema id and an Avro schema with ids, time and features."""
    shown = penstock("schema", "show", MODEL, "--json").json

    assert set(shown) == {"topic", "predictions_topic", "schema_id", "schema"}
    assert (shown["topic"], shown["predictions_topic"]) == ("parcels.requests", "parcels.predictions")
    assert [field["name"] for field in shown["schema"]["fields"]] == [
        "request_id",
        "entity_id",
        "event_time",
        "features",
    ]


def test_models_list_and_show_name_version_and_state(penstock: Command) -> None:
    """What scripts rely on, and what the version is."""
    listed = penstock("models", "list", "--json").json[0]
    shown = penstock("models", "show", MODEL, "--json").json

    assert {key: listed[key] for key in ("name", "version", "state")} == {
        "name": MODEL,
        "version": "1",
        "state": "active",
    }
    assert (listed["serves"], listed["approved_by"], listed["why"]) == (1.0, [], None)
    assert [feature["name"] for feature in shown["signature"]["features"]] == ["weight", "items", "distance", "depot"]
    datetime.fromisoformat(listed["registered_at"])


def test_models_history_tells_who_did_what_and_why(penstock: Command) -> None:
    """From the shelf and from the topic, in the order in which it happened."""
    told = penstock("models", "history", MODEL, "1", "--json").json
    first = {event["what"]: event for event in reversed(told)}

    assert [event["what"] for event in told[:3]] == ["Registered", "Validated", "Activated"]
    assert {first[kind]["by"] for kind in ("Registered", "Validated", "Activated")} == {person()}
    assert first["Activated"]["why"] == f"activate by {person()}"
    assert penstock("models", "history", "nothing").code == 1


def test_models_verify_runs_every_check(penstock: Command) -> None:
    """Each check with its result."""
    verified = penstock("models", "verify", MODEL, "1", "--json").json

    assert verified["passed"]
    assert all(check["passed"] for check in verified["checks"])


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_requests_of_each_kind_of_file_are_scored_and_stored(penstock: Command, tmp_path: Path, kind: str) -> None:
    """With the file's ids and times; columns that are no feature are left out."""
    path = requests_file(tmp_path, kind, prefix=kind)
    columns = ("--entity", "customer", "--id", "id", "--time", "at")
    sent = penstock("requests", "send", MODEL, path, *columns, "--rate", "1000", "--json")

    assert (sent.code, sent.json) == (0, {"model": MODEL, "sent": 30, "refused": 0, "faults": []})
    assert eventually(lambda: stored(penstock, "predictions", kind) == 30, timeout_s=60)
    rows = penstock("query", f"SELECT * FROM predictions WHERE request_id = '{kind}-3'", "--json").json
    assert rows[0]["event_time"] == "2026-03-01T08:03:00.000Z"
    assert (rows[0]["entity_id"], rows[0]["version"], rows[0]["role"]) == ("c3", "1", "live")
    assert json.loads(rows[0]["features"])["distance"] is None


def test_bad_rows_are_named_and_the_others_sent(penstock: Command, tmp_path: Path) -> None:
    """Row and column on stderr and in JSON; exit code 1 with the counts."""
    path = tmp_path / "bad.csv"
    path.write_text(
        "id,customer,weight,items,distance,depot\n"
        "bad-1,c1,1.5,2,3.0,north\n"
        "bad-2,c1,heavy,2,3.0,north\n"
        "bad-3,,1.5,2,3.0,north\n"
        "bad-4,c1,1.5,,3.0,north\n"
        "bad-5,c1,1.5,2,3.0\n"
        "bad-6,c1,1.5,2,,south\n"
    )
    sent = penstock("requests", "send", MODEL, path, "--entity", "customer", "--id", "id", "--json")

    assert sent.code == 1
    assert (sent.json["sent"], sent.json["refused"]) == (2, 4)
    assert [(fault["row"], fault["column"]) for fault in sent.json["faults"]] == [
        (2, "weight"),
        (3, "customer"),
        (4, "items"),
        (5, "id"),
    ]
    assert "row 2: column 'weight' has the text 'heavy': write a number" in sent.err
    assert "4 row(s) were refused, 2 sent" in sent.err


@pytest.mark.parametrize(
    ("options", "found"),
    [(["--entity", "nobody"], "'nobody'"), (["--entity", "customer", "--time", "when"], "'when'")],
)
def test_a_column_that_is_not_in_the_file_is_bad_usage(
    penstock: Command, tmp_path: Path, options: list[str], found: str
) -> None:
    """Exit code 2, naming the column and those that are there."""
    path = requests_file(tmp_path, "csv", prefix="columns", rows=2)
    sent = penstock("requests", "send", MODEL, path, *options)

    assert sent.code == 2
    assert f"no column {found}: it has weight, items" in sent.err


def test_a_file_without_a_feature_that_cannot_be_missing_is_bad_usage(penstock: Command, tmp_path: Path) -> None:
    """Rather than a refusal of each row."""
    path = tmp_path / "short.csv"
    path.write_text("customer,weight\nc1,2.0\n")
    sent = penstock("requests", "send", MODEL, path, "--entity", "customer")

    assert sent.code == 2
    assert "no column 'items'" in sent.err


def test_requests_of_an_unknown_model_are_refused(penstock: Command, tmp_path: Path) -> None:
    """With the command that registers one."""
    path = requests_file(tmp_path, "csv", prefix="unknown", rows=2)
    sent = penstock("requests", "send", "nothing", path, "--entity", "customer")

    assert sent.code == 1
    assert "penstock models add nothing" in sent.err


def test_labels_are_carried_and_stored_as_the_estimator_spells_classes(penstock: Command, tmp_path: Path) -> None:
    """1.0 in the file is the class 1; the highest revision stays; an empty label takes one back."""
    path = tmp_path / "labels.csv"
    path.write_text(
        "id,customer,late,at,revision\n"
        "label-1,c1,1.0,2026-03-02T08:00:00Z,0\n"
        "label-2,c1,0,2026-03-02T08:00:00Z,0\n"
        "label-2,c1,1,2026-03-03T08:00:00Z,1\n"
        "label-3,c1,,2026-03-03T08:00:00Z,0\n"
        "label-4,c1,maybe,2026-03-03T08:00:00Z,0\n"
    )
    columns = ("--id", "id", "--entity", "customer", "--label", "late", "--time", "at", "--revision", "revision")
    sent = penstock("labels", "send", MODEL, path, *columns, "--json")

    assert sent.code == 1
    assert (sent.json["sent"], [fault["row"] for fault in sent.json["faults"]]) == (4, [5])
    assert eventually(lambda: stored(penstock, "labels", "label") == 3, timeout_s=60)
    sql = "SELECT request_id, label FROM labels WHERE request_id LIKE 'label-%' ORDER BY 1"
    assert eventually(lambda: [row["label"] for row in penstock("query", sql, "--json").json] == ["1", "1", None])


def test_predictions_are_tailed_as_json_lines(penstock: Command, tmp_path: Path) -> None:
    """From the start, with a limit; times are ISO, features a mapping."""
    path = requests_file(tmp_path, "csv", prefix="tail", rows=5)
    penstock("requests", "send", MODEL, path, "--entity", "customer")
    tailed = penstock("predictions", "tail", MODEL, "--from-start", "--limit", "5", "--timeout", "60", "--json")
    first = json.loads(tailed.out.splitlines()[0])

    assert tailed.code == 0
    assert len(tailed.out.splitlines()) == 5
    assert first["model"] == MODEL
    assert set(first["features"]) == {"weight", "items", "distance", "depot"}
    for name in ("event_time", "requested_at", "scored_at"):
        datetime.fromisoformat(first[name])


def test_a_tail_that_gets_too_few_says_so(penstock: Command) -> None:
    """Exit code 1 after the time that was given."""
    tailed = penstock("predictions", "tail", MODEL, "--limit", "3", "--timeout", "1")

    assert (tailed.code, tailed.out) == (1, "")
    assert "0 of 3 predictions of parcels came within 1 s" in tailed.err


def test_poison_is_listed_shown_and_reported_with_its_remedy(penstock: Command, settings: Settings) -> None:
    """What a producer of another make might send."""
    with Publisher(settings) as publisher:
        publisher.publish("parcels.requests", b"\x07nonsense", key=b"c1")

    def letters() -> Any:
        return penstock("dead-letters", "list", "--model", MODEL, "--reason", "bad_magic_byte", "--json").json

    assert eventually(lambda: len(letters()) == 1, timeout_s=60)
    shown = penstock("dead-letters", "show", letters()[0]["id"], "--json").json
    reported = penstock("report", "errors", MODEL, "--json").json["errors"]
    assert (shown["reason"], shown["topic"], shown["model"]) == ("bad_magic_byte", "parcels.requests", MODEL)
    assert "byte 0" in shown["remedy"]
    assert [entry["records"] for entry in reported if entry["reason"] == "bad_magic_byte"] == [1]


def test_the_ledger_accounts_for_everything(penstock: Command, tmp_path: Path) -> None:
    """Accepted = scored + dead-lettered + in flight + lost; `--check` fails unless it balances."""
    path = requests_file(tmp_path, "csv", prefix="ledger")
    penstock("requests", "send", MODEL, path, "--entity", "customer", "--id", "id")

    def entry() -> dict[str, Any]:
        return dict(penstock("ledger", "--model", MODEL, "--check", "--json").json["models"][0])

    assert eventually(lambda: entry()["in_flight"] == 0, timeout_s=60)
    found = entry()
    assert {"name", "accepted", "scored", "dead_lettered", "in_flight", "lost", "duplicates", "redelivered"} <= set(
        found
    )
    assert found["accepted"] == found["scored"] + found["dead_lettered"]
    assert (found["lost"], found["duplicates"]) == (0, 0)
    assert found["partitions"]


def test_the_ledger_of_a_model_without_records_is_a_failure(penstock: Command) -> None:
    """A wrong name is not a balanced ledger."""
    assert penstock("ledger", "--model", "nothing").code == 1


def test_activating_a_version_that_is_not_there_is_refused(penstock: Command) -> None:
    """With where to look."""
    ended = penstock("activate", MODEL, "9")

    assert ended.code == 1
    assert "models list" in ended.err


def test_activating_a_version_that_validation_rejected_is_refused(penstock: Command, settings: Settings) -> None:
    """And says why it was rejected."""
    record = find_version(wiring.catalogue(settings), MODEL, "1")
    with wiring.catalogue(settings).adding() as addition:
        addition.insert(replace(record, version="bad", state=VersionState.REJECTED, failure="golden vectors"))
    ended = penstock("activate", MODEL, "bad")

    assert ended.code == 1
    assert "rejected, not validated (golden vectors)" in ended.err


def test_a_second_version_takes_over_without_a_restart(penstock: Command, shop: Shop, tmp_path: Path) -> None:
    """Added while the stack runs; the generation rises, and later requests are its."""
    added = penstock("models", "add", MODEL, shop.model, "--sample", shop.sample, "--target", "late", "--json").json
    first = penstock("activate", MODEL, "1", "--json").json
    activated = penstock("activate", MODEL, added["version"], "--json").json
    path = requests_file(tmp_path, "csv", prefix="second")
    penstock("requests", "send", MODEL, path, "--entity", "customer", "--id", "id")
    sql = "SELECT DISTINCT version FROM predictions WHERE request_id LIKE 'second-%'"

    assert activated == {"model": MODEL, "version": added["version"], "generation": first["generation"] + 1}
    assert eventually(lambda: stored(penstock, "predictions", "second") == 30, timeout_s=60)
    assert {row["version"] for row in penstock("query", sql, "--json").json} <= {"1", added["version"]}
    penstock("activate", MODEL, "1")


def test_a_version_is_barred_lifted_and_retired(penstock: Command, shop: Shop) -> None:
    """Barred and retired it can't be activated, and is told why; each step is an event with who and why."""
    added = penstock("models", "add", MODEL, shop.model, "--sample", shop.sample, "--target", "late", "--json").json
    version = added["version"]
    barred = penstock("models", "bar", MODEL, version, "--reason", "too low for freight", "--json")
    refused = penstock("activate", MODEL, version)
    lifted = penstock("models", "unbar", MODEL, version, "--reason", "mended")
    retired = penstock("models", "retire", MODEL, version, "--reason", "old")
    serving = penstock("models", "bar", MODEL, "1", "--reason", "bad")
    listed = {each["version"]: each for each in penstock("models", "list", MODEL, "--json").json}
    sql = (
        f"SELECT kind, reason, issued_by FROM model_events WHERE version = '{version}' "
        "AND caused_by IN (SELECT id FROM commands) ORDER BY occurred_at"
    )

    assert (barred.code, refused.code, lifted.code, retired.code, serving.code) == (0, 1, 0, 0, 1)
    assert f"was barred by {person()} (too low for freight)" in refused.err
    assert "version 1 of parcels serves: activate another version first" in serving.err
    assert (listed[version]["state"], listed[version]["why"]) == ("retired", f"by {person()}: old")
    assert listed["1"]["state"] == "active"
    assert eventually(
        lambda: (
            [list(row.values()) for row in penstock("query", sql, "--json").json]
            == [
                ["Barred", "too low for freight", person()],
                ["Unbarred", "mended", person()],
                ["Retired", "old", person()],
            ]
        ),
        timeout_s=30,
    )


def test_activating_without_waiting_gives_the_commands_id(penstock: Command) -> None:
    """The decision is in the journal soon after."""
    answer = penstock("activate", MODEL, "1", "--no-wait", "--json").json
    sql = f"SELECT outcome FROM journal WHERE command_id = '{answer['command_id']}'"

    assert eventually(lambda: penstock("query", sql, "--json").json == [{"outcome": "accepted"}], timeout_s=30)


def test_topics_are_listed_created_and_described(penstock: Command) -> None:
    """With what each is for."""
    created = penstock("topics", "create", "another", "--json")
    listed = {topic["topic"]: topic for topic in penstock("topics", "list", "--json").json}
    described = penstock("topics", "describe", "parcels.requests", "--json").json

    assert created.code == 0
    assert {"parcels.requests", "another.requests", "deployments"} <= set(listed)
    assert (listed["parcels.requests"]["kind"], listed["parcels.requests"]["model"]) == ("requests", MODEL)
    assert described["written_by"] == "producers"
    assert penstock("topics", "describe", "nonsense").code == 1


def test_a_loss_that_is_none_can_be_accepted_and_is_journaled(penstock: Command) -> None:
    """The controller answers with what it accepted."""
    answer = penstock("losses", "accept", MODEL, "--partition", "0", "--json").json

    assert (answer["topic"], answer["offset_next"]) == ("parcels.requests", 0)
    assert "loss accepted in parcels.requests partition 0" in answer["reason"]


def test_the_doctor_finds_every_hop_sound(penstock: Command) -> None:
    """The probe walks from the broker into the store."""
    examined = penstock("doctor", "--json")

    assert [hop["hop"] for hop in examined.json["hops"] if hop["state"] != "ok"] == []
    assert (examined.code, examined.json["broken"]) == (0, None)


def test_reports_and_queries_are_tables_for_people(penstock: Command) -> None:
    """Columns under names; words on stderr only."""
    reported = penstock("report", "predictions", MODEL)
    asked = penstock("query", "SELECT 1 AS one, 'x' AS other")

    assert reported.out.split()[:3] == ["version", "day", "predictions"]
    assert "ms (p50)" in reported.err
    assert [line.split() for line in asked.out.splitlines()][::2] == [["one", "other"], ["1", "x"]]


@pytest.mark.parametrize("sql", ["SELEC 1", "DELETE FROM predictions", "SELECT * FROM nothing"])
def test_a_wrong_query_is_answered_in_the_stores_words(penstock: Command, sql: str) -> None:
    """Exit code 1 and one sentence; nothing can be changed."""
    ended = penstock("query", sql)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("\n") == 1
