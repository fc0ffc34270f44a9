"""Asks the controller for canaries: each of the candidates that are due, once for each reason.

Model events and the time come in, commands go out. Whether a canary begins is the controller's word.
"""

from typing import Protocol

import structlog

from consumers.trainer.answers import TRAINER
from consumers.trainer.canaries import Canaries, Candidate
from runtime.clock import Clock
from schemas.events import ModelEvent

START = "start"
_log = structlog.get_logger("penstock.trainer")


class Commands(Protocol):
    """The way to the controller."""

    def send(self, action: str, model: str, *, arguments: dict[str, str], command_id: str, issued_by: str) -> object:
        """Deliver one command, or raise."""
        ...


class CanaryDesk:
    """Keeps the candidates that wait. `steps`: of the canary; empty: the usual ones."""

    def __init__(self, commands: Commands, *, steps: str, cool_down_ms: int, clock: Clock) -> None:
        self._commands = commands
        self._steps = steps
        self._clock = clock
        self._canaries = Canaries(cool_down_ms=cool_down_ms)
        self._sent: dict[str, str] = {}

    def take(self, event: ModelEvent) -> None:
        self._canaries = self._canaries.after(event)

    def ask(self) -> None:
        """Send what is due and was not sent by this process; sent again by another it is the same command."""
        now = self._clock.now_ms()
        for candidate in self._canaries.due(now):
            if self._sent.get(candidate.model) != candidate.command_id:
                self._send(candidate)
                self._sent[candidate.model] = candidate.command_id
                _log.info("asks for a canary", model=candidate.model, version=candidate.version, since=candidate.since)

    def _send(self, candidate: Candidate) -> None:
        arguments = {"version": candidate.version, "strategy": "canary", "cause": candidate.cause}
        if self._steps:
            arguments["steps"] = self._steps
        self._commands.send(
            START, candidate.model, arguments=arguments, command_id=candidate.command_id, issued_by=TRAINER
        )
