"""What a hop is, and how hops are looked at one after the other: pure but for the looks themselves.

A hop that fails leaves those that need it unlooked at, so the first failure is the broken hop.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from confluent_kafka import KafkaException

from penstock.room_errors import ROOM_ERRORS

State = Literal["ok", "failed", "skipped"]


class HopFailure(Exception):  # noqa: N818  # a finding, not a fault of the program
    """A hop was looked at and does not do what it should; the message says what was found."""


_FOUND: tuple[type[Exception], ...] = (HopFailure, OSError, *ROOM_ERRORS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One hop: `look` says in words what is there or raises; it needs the hops named in `needs`.

    `runbook`: the page of the repository that says more than `remedy` can.
    """

    name: str
    look: Callable[[], str]
    remedy: str
    runbook: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found at one hop."""

    hop: str
    state: State
    detail: str
    remedy: str = ""
    runbook: str = ""


def examine(hops: Sequence[Hop]) -> Iterator[Finding]:
    """Look at each hop in its order.

    >>> def broken() -> str: raise HopFailure("no answer")
    >>> hops = [Hop(name="broker", look=broken, remedy="start it"),
    ...         Hop(name="sink", look=lambda: "fine", remedy="", needs=("broker",)),
    ...         Hop(name="shelf", look=lambda: "2 versions", remedy="")]
    >>> [(finding.hop, finding.state) for finding in examine(hops)]
    [('broker', 'failed'), ('sink', 'skipped'), ('shelf', 'ok')]
    """
    sound: set[str] = set()
    for hop in hops:
        missing = [name for name in hop.needs if name not in sound]
        if missing:
            yield Finding(hop=hop.name, state="skipped", detail=f"not looked at, since it needs {', '.join(missing)}")
            continue
        finding = _looked_at(hop)
        if finding.state == "ok":
            sound.add(hop.name)
        yield finding


def broken_hop(findings: Sequence[Finding]) -> Finding | None:
    """The first hop that failed."""
    return next((finding for finding in findings if finding.state == "failed"), None)


def _looked_at(hop: Hop) -> Finding:
    try:
        return Finding(hop=hop.name, state="ok", detail=hop.look())
    except KafkaException as error:
        detail = error.args[0].str()
    except _FOUND as error:
        detail = str(error)
    return Finding(
        hop=hop.name, state="failed", detail=" ".join(detail.split()), remedy=hop.remedy, runbook=hop.runbook
    )
