"""The demo from start to end: stage, stack, replay with a swap in the middle, and the proof after it."""

import signal
import time
from types import FrameType

from rich.console import Console

from penstock.demo.aftermath import check, print_aftermath
from penstock.demo.performance import DemoPlan, Performance
from penstock.demo.scene import fresh_directory, prepare
from penstock.demo.stack_process import StackProcess
from penstock.errors import DemoFailedError
from runtime.settings import Settings


def run_demo(settings: Settings, plan: DemoPlan, console: Console) -> None:
    """Run the whole demo in `settings.data_dir`; whatever happens, nothing is left running.

    Raises `DemoFailedError` unless everything arrived and the ledger balances.
    """
    if not settings.kafka.embedded:
        raise DemoFailedError("the demo runs on the embedded broker: leave kafka.bootstrap_servers empty")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    started = time.monotonic()

    def tell(words: str) -> None:
        console.print(f"{time.monotonic() - started:6.1f} s  {words}", highlight=False, markup=False)

    fresh_directory(settings.data_dir, settings)
    with StackProcess(settings.data_dir) as stack:
        scene = prepare(settings, requests=plan.requests, tell=tell)
        stack.await_ready()
        tell(f"the stack serves: {', '.join(stack.processes)} (embedded: in memory, at-least-once)")
        expected = Performance(settings, scene, plan, stack=stack, console=console, tell=tell).run()
        print_aftermath(settings, check(settings, expected), console)
    console.print()
    tell(f"everything arrived, the ledger balances, the stack has stopped; the data lie in {settings.data_dir}")
    _say_where(settings, console)


def _say_where(settings: Settings, console: Console) -> None:
    """What can be looked at afterwards, without a stack."""
    here = f"--data-dir {settings.data_dir}"
    for line in (
        f"  {settings.store_path}  documents, in SQLite",
        f"  {settings.registry_dir}  model versions and schemas",
        f"  {settings.log_dir}  logs of every process",
        "Ask on, for example:",
        f"  penstock report predictions flights {here}",
        f"  penstock dead-letters list {here}",
        f"  penstock models show flights {here}",
    ):
        console.print(line, highlight=False, markup=False)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Whoever asks us to end has everything taken down in order, also where Ctrl-C is ignored at first."""
    raise KeyboardInterrupt
