"""Whether enough people vouch for a version, by their signatures and the policy. Pure.

Signed statements and a policy come in; who approved, whether that is enough, and what is lacking
goes out. A statement counts only if it is about exactly this bundle and its signature is by a key
that the settings have for that person, wherever it was found.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from registry.signing import is_signed_by
from registry.statements import SignedStatement, Verdict
from runtime.settings import PolicySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The version that approvals are about; who registered it is the manifest's word.

    `bundle`: the hash of the manifest.
    """

    model: str
    version: str
    bundle: str
    registered_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What the statements amount to.

    `approved_by`: each person once, in the order of their approvals. `lacking`: what keeps the
    version from serving, empty when it may. `ignored`: why statements did not count.
    """

    approved_by: tuple[str, ...]
    required: int
    approved: bool
    lacking: str
    ignored: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """How many of how many, and whose.

        >>> Approval(approved_by=("ann",), required=2, approved=False, lacking="one more").words
        '1 approval, 2 required: ann'
        """
        whose = f": {', '.join(self.approved_by)}" if self.approved_by else ""
        count = "1 approval" if len(self.approved_by) == 1 else f"{len(self.approved_by)} approvals"
        return f"{count}, {self.required} required{whose}"


def approval_of(subject: Subject, statements: Iterable[SignedStatement], policy: PolicySettings) -> Approval:
    """What these statements amount to under this policy."""
    approved_by: list[str] = []
    ignored: list[str] = []
    for signed in statements:
        person, fault = signed.statement.person, fault_of(subject, signed, policy)
        if fault or signed.statement.verdict is not Verdict.APPROVE:
            ignored.append(fault or f"the statement of {person} is no approval")
        elif person not in approved_by:
            approved_by.append(person)
    lacking = _lacking(subject, approved_by, policy, required=policy.approvals_required)
    return Approval(
        approved_by=tuple(approved_by),
        required=policy.approvals_required,
        # Where none is required, a version is approved all the same once somebody has done so.
        approved=not _lacking(subject, approved_by, policy, required=max(policy.approvals_required, 1)),
        lacking=" ".join([lacking, *_told(ignored)]) if lacking else "",
        ignored=tuple(ignored),
    )


def fault_of(subject: Subject, signed: SignedStatement, policy: PolicySettings) -> str:
    """Why a statement does not count, with the remedy; empty when it does."""
    statement = signed.statement
    if (statement.model, statement.version) != (subject.model, subject.version):
        return f"the statement of {statement.person} is about version {statement.version} of {statement.model}"
    if statement.bundle != subject.bundle:
        return f"the statement of {statement.person} is about another bundle, {statement.bundle[:16]}..."
    keys = policy.approvers.get(statement.person)
    if keys is None:
        return f"{statement.person} is no approver: policy.approvers names {', '.join(policy.approvers) or 'nobody'}"
    if not is_signed_by(statement.content(), signed.signature, keys):
        return f"the signature is not by a key that policy.approvers has for {statement.person}"
    return ""


def _lacking(subject: Subject, approved_by: list[str], policy: PolicySettings, *, required: int) -> str:
    if len(approved_by) < required:
        whose = f", by {', '.join(approved_by)}" if approved_by else ""
        return f"it has {len(approved_by)} of {required} approvals{whose}: `penstock models approve` adds one"
    alone = required > 0 and set(approved_by) <= {subject.registered_by}
    if alone and not policy.registrant_may_approve_alone:
        return f"{subject.registered_by} registered it and can't approve it alone: somebody else has to as well"
    return ""


def _told(ignored: list[str]) -> Iterator[str]:
    if ignored:
        yield f"({len(ignored)} statement(s) do not count: {'; '.join(sorted(set(ignored)))})"
