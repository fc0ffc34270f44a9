"""A model with a time-ordered reference on the embedded stack: a change of scale is told once, by name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from skops.io import dump

from tests.penstock.models import COLUMNS
from tests.runtime.lane_parts import eventually
from tests.stack import descendants, kill_quietly, penstock, penstock_json, running_stack

pytestmark = pytest.mark.wire

MODEL = "loans"
CONFIG = "[drift]\nprofile_every_s = 0.5\n"
ROWS = 5_000
DEADLINE_S = 90.0


def rows(count: int, *, seed: int, start: str) -> pd.DataFrame:
    """Three numbers, a truth, and a minute for each row."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.gamma(4.0, 10.0, size=(count, len(COLUMNS))), columns=list(COLUMNS))
    frame["late"] = (frame["amount"] > frame["age"]).astype(int)
    frame["at"] = pd.date_range(start, periods=count, freq="min")
    return frame


class Bank:
    """The stack, and requests that are sent to it."""

    def __init__(self, folder: Path, stack_pid: int) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.stack_pid = stack_pid
        self._sent = 0

    def send(self, frame: pd.DataFrame) -> None:
        """Publish the rows, and wait until the monitor has read their profiles."""
        self._sent += len(frame)
        path = self.folder / f"requests-{self._sent}.csv"
        sent = frame.drop(columns="late")
        sent.insert(0, "id", [f"r{self._sent - len(frame) + row}" for row in range(len(frame))])
        sent.insert(1, "customer", [f"c{row % 50}" for row in range(len(frame))])
        sent.to_csv(path, index=False)
        ids = ("--entity", "customer", "--id", "id", "--time", "at")
        penstock("requests", "send", MODEL, str(path), *ids, data_dir=self.data_dir)
        assert eventually(lambda: self.profiled() >= self._sent, timeout_s=DEADLINE_S)

    def profiled(self) -> int:
        return int(self.ask("SELECT coalesce(sum(rows), 0) AS n FROM profiles")[0]["n"])

    def signals(self) -> list[dict[str, Any]]:
        return self.ask("SELECT id, kind, message, evidence FROM signals WHERE kind = 'drift'")

    def retrains(self) -> list[dict[str, Any]]:
        return self.ask("SELECT version, reason FROM model_events WHERE kind = 'RetrainRequested'")

    def ask(self, sql: str) -> list[dict[str, Any]]:
        return [dict(row) for row in penstock_json("query", sql, data_dir=self.data_dir)]

    def kill_monitor(self) -> None:
        """End it without asking; the stack starts it again."""
        for pid in descendants(self.stack_pid):
            if b"monitor" in Path(f"/proc/{pid}/cmdline").read_bytes():
                kill_quietly(pid)
                return
        raise AssertionError("no monitor runs")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """One version serves whose reference is of 100 blocks in time order."""
    folder = tmp_path_factory.mktemp("bank")
    config, model, sample = folder / "penstock.toml", folder / "model.skops", folder / "sample.parquet"
    config.write_text(CONFIG)
    frame = rows(25_000, seed=1, start="2026-01-01")
    dump(LogisticRegression().fit(frame[list(COLUMNS)], frame["late"]), model)
    frame.to_parquet(sample)
    add = ("models", "add", MODEL, str(model), "--sample", str(sample), "--target", "late", "--time", "at")
    penstock(*add, data_dir=folder / "data")
    with running_stack(folder / "data", config=config) as stack:
        penstock("activate", MODEL, "1", data_dir=folder / "data")
        yield Bank(folder, stack.pid)


def test_a_change_of_scale_is_one_signal_though_the_monitor_is_killed(bank: Bank) -> None:
    """Nothing is told of rows as they were; then `amount` comes in cents: told once, by name, and acted on once."""
    usual = rows(2 * ROWS, seed=2, start="2026-02-01")
    bank.send(usual[:ROWS])
    quiet = bank.signals()
    faulty = rows(2 * ROWS, seed=3, start="2026-03-01")
    faulty["amount"] *= 100
    bank.kill_monitor()
    bank.send(faulty[:ROWS])
    assert eventually(lambda: bool(bank.signals()), timeout_s=DEADLINE_S)
    bank.kill_monitor()
    bank.send(faulty[ROWS:])
    assert eventually(lambda: any(orjson.loads(each["evidence"])["complete"] for each in bank.signals()))
    assert eventually(lambda: bool(bank.retrains()), timeout_s=DEADLINE_S)
    (signal,) = bank.signals()
    (retrain,) = bank.retrains()
    evidence = orjson.loads(signal["evidence"])
    report = penstock_json("report", "drift", MODEL, data_dir=bank.data_dir)
    amount = next(column for column in evidence["columns"] if column["name"] == "amount")

    assert quiet == []
    assert evidence["version"] == "1"
    assert amount["cause"] == "scale"
    assert amount["factor"] == pytest.approx(100, rel=0.05)
    assert "amount (scale: x " in signal["message"]
    assert "2026-02-04" <= evidence["since"] < "2026-03-02"
    assert {column["name"] for column in report["columns"] if column["signals"]} == {
        column["name"] for column in evidence["columns"]
    }
    assert retrain["version"] == "1"
    assert "amount (" in retrain["reason"]
