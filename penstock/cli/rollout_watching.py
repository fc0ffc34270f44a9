"""`penstock rollout status` and `watch`: how a rollout stands, once or drawn anew as it goes on."""

import sys
import time
from collections.abc import Iterator

import click
from rich.console import Console
from rich.live import Live

from penstock import wiring
from penstock.cli.arguments import ModelName
from penstock.cli.options import example, with_json, with_settings
from penstock.cli.output import print_json, print_json_line
from penstock.deployed import deployments
from penstock.errors import NothingDeployedError, RolloutFailedError
from penstock.rollouts.observed import ObservedShares
from penstock.rollouts.screen import drawn, line
from penstock.rollouts.view import View, view_of
from runtime.clock import SystemClock
from runtime.follower import Follower
from runtime.settings import Settings
from runtime.stack import attach
from schemas.events import DeploymentState
from schemas.topics import DEPLOYMENTS
from streams.rollout.phases import ENDED, Phase

_LOOK_S = 0.25
_CATCH_UP_S = 20.0


@click.command(epilog=example("penstock rollout status flights --json"))
@click.argument("name", type=ModelName())
@with_json
@with_settings()
def status(settings: Settings, name: str, *, as_json: bool) -> None:
    """Show how the rollout of the model NAME stands: phase, shares, evidence, guardrails, what comes next."""
    attached = attach(settings)
    state = deployments(attached).get(name)
    if state is None:
        raise NothingDeployedError(name)
    shares = ObservedShares(attached, name)
    try:
        shares.catch_up()
        view = view_of(state, SystemClock().now_ms(), observed=shares.rows(state))
    finally:
        shares.close()
    if as_json:
        print_json(view)
        return
    _console().print(drawn(view))


@click.command(epilog=example("penstock rollout watch flights"))
@click.argument("name", type=ModelName())
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), help="Seconds after which to stop watching.  [default: never]"
)
@with_json
@with_settings()
def watch(settings: Settings, name: str, *, timeout: float | None, as_json: bool) -> None:
    """Watch the rollout of the model NAME until it has ended; exit code 1 when it failed.

    In a terminal a panel is drawn anew; piped, or with --json, each change is a line.
    """
    watching = _Watching(attach(settings), name)
    try:
        if as_json or not sys.stdout.isatty():
            watching.tell(json=as_json, timeout_s=timeout)
        else:
            watching.draw(timeout_s=timeout)
    finally:
        watching.close()
    rollout = watching.state.rollout
    if rollout is not None and rollout.phase == Phase.FAILED:
        raise RolloutFailedError(name, rollout.reason)


class _Watching:
    """One model's deployment, followed."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._name = name
        self._codec = wiring.codec(settings)
        self._follower = Follower(settings.kafka, wiring.topics(settings).of(DEPLOYMENTS))
        self._shares = ObservedShares(settings, name)
        self._clock = SystemClock()
        found: DeploymentState | None = None
        for message in self._follower.catch_up(_CATCH_UP_S):
            found = self._mine(message.key(), message.value()) or found
        if found is None:
            self.close()
            raise NothingDeployedError(name)
        self.state = found
        self._shares.catch_up()

    @property
    def _ended(self) -> bool:
        rollout = self.state.rollout
        return rollout is None or Phase(rollout.phase) in ENDED

    @property
    def _view(self) -> View:
        return view_of(self.state, self._clock.now_ms(), observed=self._shares.rows(self.state))

    def draw(self, *, timeout_s: float | None) -> None:
        """The panel, drawn anew until the rollout has ended."""
        with Live(drawn(self._view), console=_console(), auto_refresh=False) as screen:
            for _ in self._looks(timeout_s):
                screen.update(drawn(self._view), refresh=True)

    def tell(self, *, json: bool, timeout_s: float | None) -> None:
        """A line now and for each change; as text, for each that the text shows."""
        said: object = None
        for _ in self._looks(timeout_s):
            now = self.state.revision if json else line(self._view)
            if now == said:
                continue
            said = now
            if json:
                print_json_line(self._view)
            else:
                sys.stdout.write(f"{now}\n")
                sys.stdout.flush()

    def close(self) -> None:
        self._follower.close()
        self._shares.close()

    def _looks(self, timeout_s: float | None) -> Iterator[None]:
        """Once now and again and again until the rollout has ended or time is over."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self._take()
            yield None
            if self._ended or (deadline is not None and time.monotonic() > deadline):
                return
            time.sleep(_LOOK_S)

    def _take(self) -> None:
        for message in self._follower.news():
            self.state = self._mine(message.key(), message.value()) or self.state
        self._shares.take()

    def _mine(self, key: bytes | None, value: bytes | None) -> DeploymentState | None:
        if key != self._name.encode() or value is None:
            return None
        return self._codec.decode(DeploymentState, value)


def _console() -> Console:
    return Console(highlight=False, markup=False)
