"""The life of a version: every standing it can have, every legal change, and who makes it. Pure.

The shelf keeps what a version is (registered, validated, rejected) and who approved it; what became
of it is the deployment's word. A version's standing is derived from both and stored nowhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from schemas.events import DeploymentState, ModelEvent

_SERVING_ARMS = frozenset({"live", "control"})
_INTO_SERVICE = frozenset({"Activated", "Promoted", "RolledBack", "Superseded"})


class Standing(StrEnum):
    """What a version is now."""

    REGISTERED = "registered"
    VALIDATED = "validated"
    REJECTED = "rejected"
    APPROVED = "approved"
    ACTIVE = "active"
    SUPERSEDED = "superseded"
    BARRED = "barred"
    RETIRED = "retired"


MEANINGS: dict[Standing, str] = {
    Standing.REGISTERED: "it is on the shelf, and its validation has not ended",
    Standing.VALIDATED: "every check passed, and the policy's criteria are met",
    Standing.REJECTED: "a check failed, or an approver rejected it",
    Standing.APPROVED: "as many people as the policy wants have signed it",
    Standing.ACTIVE: "it serves; in a rollout, it is what candidates are compared with",
    Standing.SUPERSEDED: "it was active, and another one is",
    Standing.BARRED: "it may serve by no path until a person lifts the bar",
    Standing.RETIRED: "it never serves again",
}


@dataclass(frozen=True, slots=True)
class Transition:
    """One legal change: what it may be before (nothing: it is new), what it is after, the event, and the cause."""

    before: tuple[Standing, ...]
    after: Standing
    event: str
    cause: str


_R, _V, _X, _A = Standing.REGISTERED, Standing.VALIDATED, Standing.REJECTED, Standing.APPROVED
_ON, _S, _B, _END = Standing.ACTIVE, Standing.SUPERSEDED, Standing.BARRED, Standing.RETIRED

TRANSITIONS: tuple[Transition, ...] = (
    Transition((), _R, "Registered", "`penstock models add`, or the trainer"),
    Transition((_R,), _V, "Validated", "its validation passed"),
    Transition((_R,), _X, "Rejected", "a check of its validation failed"),
    Transition((_V,), _A, "Approved", "the last approval that the policy wanted"),
    Transition((_V, _A, _S), _X, "Rejected", "`penstock models reject`, by an approver"),
    Transition((_X,), _V, "ApprovalGiven", "the approver who rejected it approves it after all"),
    Transition((_X,), _S, "ApprovalGiven", "the same, of one that was active before"),
    Transition((_X,), _A, "Approved", "the same, where no approval is lacking then"),
    Transition((_V, _A, _S), _ON, "Activated", "`penstock activate`, where the policy lets it"),
    Transition((_V, _A, _S), _ON, "Promoted", "a rollout that ended well"),
    Transition((_V, _A, _S), _ON, "RolledBack", "`penstock rollback`: back to this one"),
    Transition((_S,), _ON, "ActivationFailed", "the version that took over was refused: back to this one"),
    Transition((_ON,), _S, "Superseded", "another version serves in its place"),
    Transition((_ON,), _S, "RolledBack", "`penstock rollback`: away from this one"),
    Transition((_ON,), _V, "ActivationFailed", "a worker refused it, and it never served"),
    Transition((_ON,), _A, "ActivationFailed", "the same, of one that is approved"),
    Transition((_ON,), _S, "ActivationFailed", "the same, of one that was active before"),
    Transition((_R, _V, _A, _X, _S), _B, "Barred", "`penstock models bar`, or a rollout that failed for cause"),
    Transition((_ON,), _B, "Barred", "`penstock rollback` for cause"),
    Transition((_B,), _V, "Unbarred", "`penstock models unbar`, by a person"),
    Transition((_B,), _A, "Unbarred", "the same, of one that is approved"),
    Transition((_B,), _S, "Unbarred", "the same, of one that was active before"),
    Transition((_B,), _X, "Unbarred", "the same, of one whose validation failed"),
    Transition((_B,), _R, "Unbarred", "the same, of one whose validation has not ended"),
    Transition((_R, _V, _A, _X, _S, _B), _END, "Retired", "`penstock models retire`"),
)


def is_legal(before: Standing | None, after: Standing) -> bool:
    """Whether the table has that change.

    >>> is_legal(Standing.APPROVED, Standing.ACTIVE), is_legal(Standing.BARRED, Standing.ACTIVE)
    (True, False)
    """
    return any(after is each.after and (before in each.before if before else not each.before) for each in TRANSITIONS)


def were_active(events: Iterable[ModelEvent]) -> set[tuple[str, str]]:
    """Versions that served all, or were what others were compared with, by events in order: (model, version).

    An activation that failed is none.
    """
    active: set[tuple[str, str]] = set()
    tried: set[tuple[str, str]] = set()
    for event in events:
        version = (event.model, event.version or "")
        if event.kind == "Activated" and version not in active:
            tried.add(version)
        if event.kind == "ActivationFailed" and version in tried:
            active.discard(version)
        elif event.kind in _INTO_SERVICE:
            active.add(version)
        if event.kind != "Activated":
            tried.discard(version)
    return active


def standing_of(shelf_state: str, deployment: DeploymentState | None, version: str, *, was_active: bool) -> Standing:
    """What a version is, from the shelf's word, the deployment's word, and whether it was ever active."""
    withdrawn = deployment.withdrawal_of(version) if deployment else None
    if withdrawn is not None:
        return Standing(withdrawn.state)
    if deployment is not None and any(
        served.version == version and served.arm in _SERVING_ARMS for served in deployment.versions
    ):
        return Standing.ACTIVE
    known = Standing(shelf_state)
    return Standing.SUPERSEDED if was_active and known in {Standing.VALIDATED, Standing.APPROVED} else known
