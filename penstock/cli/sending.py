"""What commands over the rows of a file share: pace, progress, and the bad rows named."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from penstock.cli.output import print_json, say
from penstock.errors import RowsRefusedError
from producers.errors import RowError
from producers.pacing import due_at_s
from producers.sources.tabular import Row, Table

FAULTS_SAID = 20
FAULTS_KEPT = 1_000
_PLAIN_EVERY_S = 5.0
_PULSE_EVERY_S = 0.2


@dataclass(slots=True)
class SendReport:
    """What became of the rows of one file; `faults` keeps the first thousand."""

    model: str
    sent: int = 0
    refused: int = 0
    faults: list[dict[str, object]] = field(default_factory=list)

    def refuse(self, row: Row, error: RowError) -> None:
        """Count a bad row and say which it is."""
        self.refused += 1
        if self.refused <= FAULTS_SAID:
            say(f"row {row.number}: {error}")
        elif self.refused == FAULTS_SAID + 1:
            say("more rows are refused; --json lists the first thousand")
        if len(self.faults) < FAULTS_KEPT:
            fault = {"row": row.number, "column": error.column, "found": error.found, "remedy": error.remedy}
            self.faults.append(fault)


def send_rows(table: Table, send: Callable[[Row], object], report: SendReport, *, rate: float | None) -> None:
    """Send every row at the pace asked for; `send` raises `RowError` for a bad one."""
    started = time.monotonic()
    with rows_progress("sent") as show:
        for row in table.rows():
            _wait_until(started + due_at_s(report.sent, rate))
            try:
                if row.fault is not None:
                    raise row.fault
                send(row)
                report.sent += 1
            except RowError as error:
                report.refuse(row, error)
            show(report.sent, report.refused)


@contextmanager
def rows_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Gives a function that shows how many rows are done and refused: live on a terminal, now and then elsewhere."""
    with _progress(what) as progress:
        task = progress.add_task("", total=None, done=0, refused=0)
        said_at = shown_at = time.monotonic()

        def show(done: int, refused: int) -> None:
            nonlocal said_at, shown_at
            now = time.monotonic()
            if now - shown_at > _PULSE_EVERY_S:
                shown_at = now
                progress.update(task, done=done, refused=refused)
            if progress.disable and now - said_at > _PLAIN_EVERY_S:
                said_at = now
                say(f"{done} {what}, {refused} refused")

        yield show


def finish(report: SendReport, what: str, *, as_json: bool) -> None:
    """Print what became of the file. Raises `RowsRefusedError` when some rows were bad."""
    if as_json:
        print_json({"model": report.model, "sent": report.sent, "refused": report.refused, "faults": report.faults})
    else:
        say(f"{report.sent} {what} sent, {report.refused} refused")
    if report.refused:
        raise RowsRefusedError(refused=report.refused, sent=report.sent)


def _wait_until(due: float) -> None:
    wait_s = due - time.monotonic()
    if wait_s > 0:
        time.sleep(wait_s)


def _progress(what: str) -> Progress:
    """A live line on a terminal's stderr; nothing elsewhere."""
    return Progress(
        TextColumn(f"{{task.fields[done]}} {what}, {{task.fields[refused]}} refused"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
