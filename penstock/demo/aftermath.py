"""What is looked at when the replay is over: has everything arrived, does the ledger balance, what do analysts see."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from consumers.errors import StoreNotFoundError
from consumers.questions import Row
from consumers.reports import report_errors
from penstock import wiring
from penstock.cli.ledger import COLUMNS
from penstock.cli.tables import table_text
from penstock.demo.scene import MODEL
from penstock.errors import DemoFailedError
from runtime.settings import Settings

_LOOK_S = 0.3
_COUNTED = ("predictions", "dead_letters", "labels")
_PER_DAY = """
SELECT date(event_time) AS day, version, count(*) AS flights, round(avg(score), 3) AS mean_risk
FROM predictions WHERE model = 'flights' GROUP BY day, version ORDER BY day, version LIMIT 6
"""
_WORST_ROUTES = """
SELECT json_extract(features, '$.origin') || '-' || json_extract(features, '$.dest') AS route,
       count(*) AS flights, round(avg(score), 3) AS mean_risk
FROM predictions WHERE model = 'flights' GROUP BY route HAVING count(*) >= 100
ORDER BY mean_risk DESC LIMIT 6
"""
_REASONS = """
SELECT reason, stage, count(*) AS records FROM dead_letters
WHERE model = 'flights' GROUP BY reason, stage ORDER BY reason
"""
QUESTIONS = (
    ("How many flights did each version judge per day, and how late did it expect them? (the first rows)", _PER_DAY),
    ("Which routes are the worst, of those with at least 100 flights?", _WORST_ROUTES),
    ("What could not be scored, and why?", _REASONS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must be there in the end; `dead_letters` by reason."""

    requests: int
    labels: int
    dead_letters: Mapping[str, int]


def await_stored(settings: Settings, expected: Expected, *, timeout_s: float, watch: Callable[[], None]) -> None:
    """Wait until the store holds as many documents as must be there.

    Raises `DemoFailedError` when it does not in time, saying what is missing.
    """
    wanted = {
        "predictions": expected.requests,
        "dead_letters": sum(expected.dead_letters.values()),
        "labels": expected.labels,
    }
    deadline = time.monotonic() + timeout_s
    while (found := stored(settings)) != wanted:
        watch()
        if time.monotonic() > deadline:
            raise DemoFailedError(f"not everything arrived within {timeout_s:.0f} s: stored {found}, sent {wanted}")
        time.sleep(_LOOK_S)


def stored(settings: Settings) -> dict[str, Any]:
    """Documents in the store by kind; none before there is a store."""
    try:
        counts = wiring.store(settings).counts()
    except StoreNotFoundError:
        return dict.fromkeys(_COUNTED, 0)
    return {name: counts[name] for name in _COUNTED}


def check(settings: Settings, expected: Expected) -> dict[str, Any]:
    """The ledger, which must balance and count what was sent; every dead letter must have its reason.

    Raises `DemoFailedError`.
    """
    ledger = wiring.ledger_reader(settings).read(settings.guarantee).to_dict()
    (entry,) = ledger["models"]
    poison = sum(expected.dead_letters.values())
    wanted = {"accepted": expected.requests + poison, "scored": expected.requests, "dead_lettered": poison}
    wanted |= {"in_flight": 0, "lost": 0, "duplicates": 0}
    found = {name: entry[name] for name in wanted}
    if found != wanted or not ledger["balanced"]:
        raise DemoFailedError(f"the ledger does not balance: it says {found}, sent were {wanted}")
    reasons: Counter[str] = Counter()
    for error in report_errors(wiring.store(settings), MODEL):
        reasons[error.reason] += error.records
    if reasons != dict(expected.dead_letters):
        raise DemoFailedError(
            f"dead letters have other reasons than sent: {dict(reasons)}, sent {expected.dead_letters}"
        )
    return dict(ledger)


def print_aftermath(settings: Settings, ledger: dict[str, Any], console: Console) -> None:
    """The ledger, and, where the store speaks SQL, three questions with their answers."""
    console.print("\n[bold]The ledger[/] (penstock ledger)")
    console.print(table_text(ledger["models"], COLUMNS), markup=False, highlight=False)
    for question, sql in QUESTIONS if settings.store.embedded else ():
        rows: list[Row] = wiring.store(settings).query(sql)
        console.print(f"\n[bold]{question}[/]")
        console.print(sql.strip(), style="dim", markup=False, highlight=False)
        console.print(table_text(rows), markup=False, highlight=False)
