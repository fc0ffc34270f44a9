"""What approvers say of a version: approve, which the shelf keeps, and reject, which the deployment keeps. Pure.

Whose word it is says the signature, which was checked before; here it is decided what follows.
A rejection speaks until the same approver approves after all.
"""

from schemas.events import DeploymentState, WithdrawnVersion
from streams.rollout.inputs import CommandInput, StatementFacts
from streams.rollout.verdicts import Decision, Origin, accepted, refused
from streams.rollout.versions import told
from streams.rollout.withdrawal import REJECTED, reinstate, withdraw, without_versions

APPROVED = "approved"


def approve(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    statement, version = asked.statement, asked.command.arguments.get("version", "")
    fault = _fault(asked, statement, "approve")
    if statement is None or fault:
        return refused(state, fault)
    withdrawn = state.withdrawal_of(version) if state else None
    lifted = withdrawn is not None and (withdrawn.state, withdrawn.issued_by) == (REJECTED, statement.person)
    if withdrawn is not None and not lifted:
        return refused(state, f"version {version} of {asked.command.model} {told(withdrawn)}")
    origin, model = _origin(asked, statement, now), asked.command.model
    events = [origin.event(model, "ApprovalGiven", version=version, reason=statement.reason)]
    if statement.after == APPROVED and (lifted or statement.before != APPROVED):
        events.append(origin.event(model, "Approved", version=version, reason=statement.words))
    after = reinstate(state, version) if state is not None and lifted else state
    decision = accepted(after, f"{statement.person} approves version {version}: {statement.words}", *events)
    return decision.recording({**asked.command.arguments, "model": model})


def reject(state: DeploymentState | None, asked: CommandInput, now: int) -> Decision:
    statement, version = asked.statement, asked.command.arguments.get("version", "")
    fault = _fault(asked, statement, "reject")
    if statement is None or fault:
        return refused(state, fault)
    withdrawn = state.withdrawal_of(version) if state else None
    if withdrawn is not None:
        words = f"version {version} {told(withdrawn)}"
        same = (withdrawn.state, withdrawn.issued_by) == (REJECTED, statement.person)
        return accepted(state, words) if same else refused(state, words)
    if state is not None and state.serves(version):
        return refused(
            state,
            f"version {version} of {asked.command.model} serves: activate another version, or abort its rollout, first",
        )
    facts = asked.facts_of(version)
    before = state or without_versions(
        asked.command, request_schema_id=facts.request_schema_id, prediction_schema_id=facts.prediction_schema_id
    )
    rejected = WithdrawnVersion(
        version=version, state=REJECTED, reason=statement.reason, issued_by=statement.person, decided_at=now
    )
    event = _origin(asked, statement, now).event(
        asked.command.model, "Rejected", version=version, reason=statement.reason
    )
    return accepted(withdraw(before, rejected), f"version {version} {told(rejected)}", event)


def _fault(asked: CommandInput, statement: StatementFacts | None, verdict: str) -> str:
    """Why nothing follows from the command, empty when something does."""
    if statement is None or not asked.command.arguments.get("version"):
        return f"{verdict} needs a signed statement: `penstock models {verdict}` makes one"
    if statement.fault:
        return statement.fault
    if statement.verdict != verdict:
        return f"the statement is to {statement.verdict}, and the command to {verdict}"
    return ""


def _origin(asked: CommandInput, statement: StatementFacts, now: int) -> Origin:
    """In the name of who signed, whoever sent it."""
    return Origin(input_id=asked.command.command_id, issued_by=statement.person, now=now)
