"""What a person says of one version, signed: approve or reject exactly this bundle, when and why.

The bundle's name is the hash of its manifest, which holds the hashes of all its files: who signs
it vouches for every byte. Statements travel as commands' arguments and lie on the shelf in the
same form, a flat mapping of text.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum

import orjson

from registry.errors import StatementError
from registry.signing import SigningKey

_PURPOSE = b"penstock statement about a model version, form 1\n"
_SIGNATURE = "signature"
CONTENT_BYTES_MAX = 8_000


class Verdict(StrEnum):
    """What is said of the version."""

    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """`bundle`: the hash of the manifest; `decided_at`: ms since the epoch, by the clock of who signs."""

    model: str
    version: str
    bundle: str
    verdict: Verdict
    person: str
    reason: str
    decided_at: int

    def content(self) -> bytes:
        """The bytes that are signed; the first line keeps a signature from meaning anything else."""
        return _PURPOSE + orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)

    def signed(self, key: SigningKey) -> "SignedStatement":
        return SignedStatement(statement=self, signature=key.sign(self.content()))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedStatement:
    """A statement and the signature that it came with, which nobody has checked yet."""

    statement: Statement
    signature: str

    def as_texts(self) -> dict[str, str]:
        """A flat mapping of text; `read_statement` is its inverse."""
        return {name: str(value) for name, value in asdict(self.statement).items()} | {_SIGNATURE: self.signature}

    def as_text(self) -> str:
        """The mapping as JSON, in one form; `read_statements` reads many of these."""
        return orjson.dumps(self.as_texts(), option=orjson.OPT_SORT_KEYS).decode()


def read_statement(texts: Mapping[str, str]) -> SignedStatement:
    """Read what `as_texts` gave; further keys are left alone. Raises `StatementError`."""
    try:
        statement = Statement(
            model=texts["model"],
            version=texts["version"],
            bundle=texts["bundle"],
            verdict=Verdict(texts["verdict"]),
            person=texts["person"],
            reason=texts["reason"],
            decided_at=int(texts["decided_at"]),
        )
        if len(statement.content()) > CONTENT_BYTES_MAX:
            raise StatementError(f"a signed statement has at most {CONTENT_BYTES_MAX:,} bytes")
        return SignedStatement(statement=statement, signature=texts[_SIGNATURE])
    except KeyError as error:
        raise StatementError(f"a signed statement needs {error}") from error
    except (TypeError, ValueError) as error:
        raise StatementError(f"not a signed statement: {error}") from error


def read_statements(texts: Iterable[str]) -> list[SignedStatement]:
    """Read what `as_text` gave; what is no statement, whoever wrote it, is left out."""
    found = []
    for text in texts:
        with suppress(StatementError, orjson.JSONDecodeError):
            found.append(read_statement(orjson.loads(text)))
    return found
