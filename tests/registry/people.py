"""People with keys of their own, and policies that know them."""

from dataclasses import dataclass
from pathlib import Path

from registry.signing import SigningKey, make_key
from registry.statements import SignedStatement, Statement, Verdict
from runtime.settings import PolicySettings


@dataclass(frozen=True, slots=True)
class People:
    """Keys by name, made when they are first asked for."""

    folder: Path
    keys: dict[str, SigningKey]

    @classmethod
    def of(cls, folder: Path, *names: str) -> "People":
        return cls(folder, {name: make_key(folder / f"{name}.key") for name in names})

    def policy(self, required: int, *names: str, **more: object) -> PolicySettings:
        """A policy that knows these people, or all of them."""
        approvers = {name: (self.keys[name].public_key,) for name in names or self.keys}
        return PolicySettings(approvals_required=required, approvers=approvers, **more)  # type: ignore[arg-type]  # further settings by name

    def sign(
        self, person: str, version: str, bundle: str, *, model: str = "late", verdict: Verdict = Verdict.APPROVE
    ) -> SignedStatement:
        """What that person says of a version, signed."""
        statement = Statement(
            model=model,
            version=version,
            bundle=bundle,
            verdict=verdict,
            person=person,
            reason="looks sound",
            decided_at=1_700_000_000_000,
        )
        return statement.signed(self.keys[person])
