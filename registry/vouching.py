"""What the shelf says of a version to whoever decides about it: is it sound, and do enough people vouch for it.

A version's name and the policy come in, its state and what keeps it from serving go out. Nothing
is loaded: scikit-learn is never needed here.
"""

from dataclasses import dataclass
from pathlib import Path

from registry.approvals import Approval, Subject, approval_of, fault_of
from registry.bundles import Bundle, read_manifest, sound_bundle, subject_of
from registry.catalogue import Catalogue, VersionRecord, VersionState
from registry.errors import BundleRefusedError, StatementError
from registry.statements import SignedStatement, Verdict, read_statement
from runtime.settings import PolicySettings

APPROVED = "approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """`state`: registered, validated, rejected or approved. `failure`: why it can't serve, empty when it may."""

    record: VersionRecord
    state: str
    failure: str
    approval: Approval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementWord:
    """What a signed statement is worth; `fault` says why nothing, else it is empty.

    `before` and `after`: the version's state without and with it, so that a statement that is there
    already is judged as it was when it came. `words`: how many approvals that makes.
    """

    fault: str
    person: str = ""
    verdict: str = ""
    reason: str = ""
    before: str = ""
    after: str = ""
    words: str = ""


class Voucher:
    """Asks the catalogue and the bundles of one shelf. All methods may raise `ShelfUnavailableError`."""

    def __init__(self, catalogue: Catalogue, bundles: Path, *, policy: PolicySettings, bytes_max: int) -> None:
        self._catalogue = catalogue
        self._bundles = bundles
        self._policy = policy
        self._bytes_max = bytes_max

    def word(self, name: str, version: str) -> Word:
        """What is to be said of a version now. Raises `VersionNotFoundError`."""
        record = self._catalogue.record(name, version)
        if record.state is not VersionState.VALIDATED:
            return Word(record=record, state=record.state.value, failure=record.failure, approval=None)
        try:
            bundle = sound_bundle(self._bundles, record.bundle, bytes_max=self._bytes_max)
        except BundleRefusedError as error:
            return Word(record=record, state=record.state.value, failure=str(error), approval=None)
        approval = approval_of(bundle.subject, self._catalogue.approvals(name, version), self._policy)
        return Word(record=record, state=_state(approval), failure=approval.lacking, approval=approval)

    def approval(self, record: VersionRecord) -> Approval | None:
        """Who approved a validated version, from its manifest alone; None where the manifest is not sound."""
        try:
            manifest = read_manifest(self._bundles, record.bundle)
        except BundleRefusedError:
            return None
        statements = self._catalogue.approvals(record.name, record.version)
        return approval_of(subject_of(manifest, record.bundle), statements, self._policy)

    def statement_word(self, texts: dict[str, str]) -> StatementWord:
        """What the signed statement in a command's arguments is worth. Raises `VersionNotFoundError`."""
        try:
            signed = read_statement(texts)
            bundle = self._bundle_of(signed)
        except (StatementError, BundleRefusedError) as error:
            return StatementWord(fault=str(error))
        fault = fault_of(bundle.subject, signed, self._policy)
        if fault:
            return StatementWord(fault=fault)
        statement = signed.statement
        known = self._catalogue.approvals(statement.model, statement.version)
        others = [each for each in known if each != signed]
        before = approval_of(bundle.subject, others, self._policy)
        after = before if statement.verdict is Verdict.REJECT else self._with(bundle.subject, others, signed)
        return StatementWord(
            fault="",
            person=statement.person,
            verdict=statement.verdict.value,
            reason=statement.reason,
            before=_state(before),
            after=_state(after),
            words=after.words,
        )

    def _bundle_of(self, signed: SignedStatement) -> Bundle:
        statement = signed.statement
        record = self._catalogue.record(statement.model, statement.version)
        if record.state is not VersionState.VALIDATED:
            why = f": {record.failure}" if record.failure else ""
            raise BundleRefusedError(
                "state", f"version {record.version} of {record.name} is {record.state.value}, not validated{why}"
            )
        return sound_bundle(self._bundles, record.bundle, bytes_max=self._bytes_max)

    def _with(self, subject: Subject, others: list[SignedStatement], signed: SignedStatement) -> Approval:
        return approval_of(subject, [*others, signed], self._policy)


def _state(approval: Approval) -> str:
    return APPROVED if approval.approved else VersionState.VALIDATED.value
