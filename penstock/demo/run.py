"""The demo from start to end: stage, stack, replay with a swap on the way, a fault in it, and the proof after it."""

import signal
import time
from types import FrameType

from rich.console import Console

from penstock import wiring
from penstock.demo import time_lapse
from penstock.demo.aftermath import check, print_aftermath
from penstock.demo.epilogue import check_story, print_story
from penstock.demo.fault import Fault, Upstream
from penstock.demo.performance import DemoPlan, Performance
from penstock.demo.questions import Answer, ask_all
from penstock.demo.scene import Scene, Tell, fresh_directory, prepare, register_bad
from penstock.demo.stack_process import StackProcess
from penstock.demo.story import Story
from runtime.settings import Settings


def end_in_order() -> None:
    """Take everything down in order when a signal ends this process, also where Ctrl-C is ignored at first."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)


def run_demo(settings: Settings, plan: DemoPlan, console: Console) -> list[Answer]:
    """Run the whole demo in `settings.data_dir` and return what the store answered in the end.

    Whatever happens, no process of the stack is left running. Raises `DemoFailedError` unless
    everything arrived, the ledger balances and, with a fault, the story came to its end.
    """
    started = time.monotonic()

    def tell(words: str) -> None:
        console.print(f"{time.monotonic() - started:6.1f} s  {words}", highlight=False, markup=False)

    fresh_directory(settings.data_dir, settings)
    stack_arguments = plan.stack if plan.fault is None else ("--config", str(time_lapse.written(settings.data_dir)))
    with StackProcess(settings.data_dir, stack_arguments) as stack:
        scene = prepare(settings, tell=tell)
        story = None if plan.fault is None else _story(settings, scene, plan.fault, tell)
        stack.await_ready()
        tell(f"the stack serves: {', '.join(stack.processes)} ({_promise(settings)})")
        expected = Performance(settings, scene, plan, story=story, stack=stack, console=console, tell=tell).run()
        ledger, answers = check(settings, expected), ask_all(wiring.store(settings))
        print_aftermath(settings, ledger, answers, console)
    if story is not None:
        print_story(settings, story, console)
    console.print()
    tell(f"everything arrived, the ledger balances, the stack has stopped; the data lie in {settings.data_dir}")
    if settings.kafka.embedded:
        _say_where(settings, console)
    if story is not None:
        tell(f"the story came to its end: {check_story(story)}")
    return answers


def _story(settings: Settings, scene: Scene, fault: Fault, tell: Tell) -> Story:
    bad = register_bad(settings, scene, tell=tell) if fault.changes_something else ""
    what = f"from {fault.day} on an upstream team sends {fault.words}" if fault.changes_something else "no fault"
    tell(f"flights from April on, each label when that plane landed; {what}")
    return Story(settings, Upstream(fault), bad_version=bad, tell=tell)


def _promise(settings: Settings) -> str:
    if settings.kafka.embedded:
        return "embedded: in memory, at-least-once"
    return f"Kafka at {settings.kafka.bootstrap_servers}: {settings.guarantee.replace('_', '-')}"


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
        f"  penstock timeline flights {here}",
    ):
        console.print(line, highlight=False, markup=False)
