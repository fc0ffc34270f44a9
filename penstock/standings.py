"""What every version is now: the shelf's word and the deployment's word, put together for people."""

from dataclasses import dataclass

from penstock import wiring
from penstock.deployed import deployments
from penstock.past_events import past_events
from registry.approvals import Approval
from registry.catalogue import VersionRecord, VersionState
from registry.lifecycle import Standing, standing_of, were_active
from registry.vouching import APPROVED
from runtime.errors import RuntimeShellError
from runtime.settings import Settings
from schemas.events import DeploymentState, WithdrawnVersion

BUCKETS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionNow:
    """`share`: of the requests, None where that is not known; `withdrawal`: who took it out of use, and why."""

    record: VersionRecord
    standing: Standing
    share: float | None
    approval: Approval | None
    withdrawal: WithdrawnVersion | None

    @property
    def why(self) -> str:
        """What keeps it from serving, in words; empty when nothing does."""
        if self.withdrawal is not None:
            return f"by {self.withdrawal.issued_by}: {self.withdrawal.reason}"
        return self.record.failure or (self.approval.lacking if self.approval else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Versions in the order they were added, and what could not be asked for them."""

    versions: tuple[VersionNow, ...]
    missing: tuple[str, ...]


def versions_now(settings: Settings, name: str | None = None) -> Listing:
    """The versions of one model, or of all. Raises `ShelfUnavailableError`."""
    records = wiring.catalogue(settings).records(name)
    if not records:
        return Listing(versions=(), missing=())
    voucher = wiring.voucher(settings)
    try:
        deployed = deployments(settings)
    except RuntimeShellError as error:
        found = [_now(record, voucher.approval(record), None, known=False, was_active=False) for record in records]
        missing = f"which versions are active, superseded, barred or retired is not known: {error}"
        return Listing(versions=tuple(found), missing=(missing,))
    past = past_events(settings, name)
    active = were_active(past.events) | {
        (state.model, state.previous_version) for state in deployed.values() if state.previous_version
    }
    versions = [
        _now(
            record,
            voucher.approval(record) if record.state is VersionState.VALIDATED else None,
            deployed.get(record.name),
            known=True,
            was_active=(record.name, record.version) in active,
        )
        for record in records
    ]
    return Listing(versions=tuple(versions), missing=past.missing)


def _now(
    record: VersionRecord, approval: Approval | None, state: DeploymentState | None, *, known: bool, was_active: bool
) -> VersionNow:
    shelf_state = APPROVED if approval is not None and approval.approved else record.state.value
    return VersionNow(
        record=record,
        standing=standing_of(shelf_state, state, record.version, was_active=was_active),
        share=_share(state, record.version) if known else None,
        approval=approval,
        withdrawal=state.withdrawal_of(record.version) if state else None,
    )


def _share(state: DeploymentState | None, version: str) -> float:
    served = [each for each in state.versions if each.version == version] if state else []
    return sum(span.end - span.start for each in served for span in each.buckets) / BUCKETS
