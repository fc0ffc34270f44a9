"""How the replay goes, while it goes: a live table on a terminal, a plain line every few seconds elsewhere."""

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

_PLAIN_EVERY_S = 3.0
_LIVE_EVERY_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What is shown: counts so far, requests a second lately, latencies in ms.

    `total` None: it is not known how many there will be. `day`, `error_rate`: when the newest flight
    left, and of the newest whose outcome is known; empty and None where nobody asks.
    """

    sent: int
    total: int | None
    predicted: int
    versions: dict[str, int]
    rate: float
    lag: int
    p50_ms: float | None
    p99_ms: float | None
    poison: int
    dead_letters: int
    labels: int
    day: str = ""
    error_rate: float | None = None


class Display:
    """Shows moments; entering begins, leaving ends with the last one on screen."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("replay"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
        )
        self._task = self._progress.add_task("replay", total=None)
        self._live = Live(console=console, refresh_per_second=4, transient=False) if console.is_terminal else None
        self._shown_at = 0.0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, moment: Moment, *, last: bool = False) -> None:
        """Show a moment, unless another was shown just now."""
        now = time.monotonic()
        due_s = _LIVE_EVERY_S if self._live is not None else _PLAIN_EVERY_S
        if now - self._shown_at < due_s and not last:
            return
        self._shown_at = now
        if self._live is None:
            self._console.print(_line(moment), highlight=False)
            return
        self._progress.update(self._task, completed=moment.sent, total=moment.total)
        self._live.update(Group(self._progress, _table(moment)))


def _line(moment: Moment) -> str:
    of_total = "" if moment.total is None else f" of {moment.total}"
    world = f", {_world(moment)}" if moment.day else ""
    return (
        f"  {moment.sent:>6}{of_total} sent, {moment.predicted:>6} predicted ({_versions(moment)}), "
        f"{moment.rate:5.0f}/s, lag {moment.lag}, p50 {_ms(moment.p50_ms)}, p99 {_ms(moment.p99_ms)}, "
        f"{moment.dead_letters} dead letters{world}"
    )


def _table(moment: Moment) -> Table:
    table = Table.grid(padding=(0, 3))
    for _ in range(4):
        table.add_column(min_width=14)
    table.add_row("rate", f"{moment.rate:,.0f} requests/s", "predicted", f"{moment.predicted:,} ({_versions(moment)})")
    table.add_row("lag", f"{moment.lag:,} requests", "p50, p99", f"{_ms(moment.p50_ms)}, {_ms(moment.p99_ms)}")
    table.add_row("poison sent", f"{moment.poison}", "dead letters", f"{moment.dead_letters}")
    table.add_row("labels sent", f"{moment.labels:,}", *(("it is", _world(moment)) if moment.day else ("", "")))
    return table


def _world(moment: Moment) -> str:
    """The day of the flights, and how wrong their versions are lately."""
    return moment.day if moment.error_rate is None else f"{moment.day}, error rate {moment.error_rate:.3f}"


def _versions(moment: Moment) -> str:
    return ", ".join(f"version {name}: {count:,}" for name, count in sorted(moment.versions.items())) or "none yet"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} ms"
