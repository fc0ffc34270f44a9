"""What is looked at when the replay is over: has everything arrived, does the ledger balance, what do analysts see."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from consumers.errors import StoreNotFoundError, StoreUnavailableError
from consumers.reports import report_errors
from penstock import wiring
from penstock.cli.ledger import COLUMNS
from penstock.cli.tables import table_text
from penstock.demo.questions import Answer
from penstock.demo.scene import MODEL
from penstock.errors import DemoFailedError
from runtime.settings import Settings

_LOOK_S = 0.3
_COUNTED = ("predictions", "dead_letters", "labels")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must be there in the end; `dead_letters` by reason."""

    requests: int
    labels: int
    dead_letters: Mapping[str, int]


def await_stored(settings: Settings, expected: Expected, *, stall_s: float, watch: Callable[[], None]) -> None:
    """Wait until the store holds as many documents as must be there.

    Raises `DemoFailedError` when nothing more comes for `stall_s`, saying what is missing: a slow machine takes
    its time.
    """
    wanted = {
        "predictions": expected.requests,
        "dead_letters": sum(expected.dead_letters.values()),
        "labels": expected.labels,
    }
    before, deadline = None, 0.0
    while (found := stored(settings)) != wanted:
        watch()
        now = time.monotonic()
        if found != before:
            before, deadline = found, now + stall_s
        if now > deadline:
            raise DemoFailedError(f"nothing more arrived for {stall_s:.0f} s: stored {found}, sent {wanted}")
        time.sleep(_LOOK_S)


def stored(settings: Settings) -> dict[str, Any]:
    """Documents in the store by kind; none before there is a store, or while a part of it is being made."""
    try:
        counts = wiring.store(settings).counts()
    except (StoreNotFoundError, StoreUnavailableError):
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


def print_aftermath(settings: Settings, ledger: dict[str, Any], answers: Sequence[Answer], console: Console) -> None:
    """The ledger, and three questions as they are put to this store, with their answers."""
    console.print("\n[bold]The ledger[/] (penstock ledger)")
    console.print(table_text(ledger["models"], COLUMNS), markup=False, highlight=False)
    for answer in answers:
        console.print(f"\n[bold]{answer.asked.words}[/]")
        text = answer.asked.text(sql=settings.store.embedded)
        console.print(text, style="dim", markup=False, highlight=False)
        console.print(table_text(answer.asked.shown(answer.rows)), markup=False, highlight=False)
