"""Keys are made once, read by their owner alone, and sign what only they can have signed."""

import base64
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import KeyFileError, StatementError
from registry.signing import is_signed_by, make_key, read_key
from registry.statements import Statement, Verdict, read_statement, read_statements

TEXT = st.text(max_size=20)
STATEMENTS = st.builds(
    Statement,
    model=TEXT,
    version=TEXT,
    bundle=TEXT,
    verdict=st.sampled_from(Verdict),
    person=TEXT,
    reason=TEXT,
    decided_at=st.integers(0, 2**53),
)


def test_a_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The file is made with mode 600, and one that others may read is refused with the remedy."""
    path = tmp_path / "ann.key"
    made = make_key(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    read = read_key(path)
    path.chmod(0o640)

    assert mode == 0o600
    assert read.public_key == made.public_key
    with pytest.raises(KeyFileError, match=r"may be read by others \(mode 640\): chmod 600"):
        read_key(path)


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    """A second key under the same name would lose the first."""
    make_key(tmp_path / "ann.key")
    content = (tmp_path / "ann.key").read_bytes()

    with pytest.raises(KeyFileError, match="is there already"):
        make_key(tmp_path / "ann.key")
    assert (tmp_path / "ann.key").read_bytes() == content


def test_what_is_no_key_is_named(tmp_path: Path) -> None:
    """No file, no key, or a key of another kind: each with a sentence."""
    other = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for name, content in {"junk.key": b"junk", "other.key": other}.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)

    with pytest.raises(KeyFileError, match="can't be read: No such file"):
        read_key(tmp_path / "nothing.key")
    with pytest.raises(KeyFileError, match="is no private key in PEM"):
        read_key(tmp_path / "junk.key")
    with pytest.raises(KeyFileError, match="is no Ed25519 key: make one with `penstock models keygen`"):
        read_key(tmp_path / "other.key")


@settings(deadline=None)
@given(content=st.binary(max_size=100), place=st.integers(0, 99), bit=st.integers(0, 7))
def test_a_signature_holds_for_these_bytes_and_this_key(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, place: int, bit: int
) -> None:
    """One bit more or less, or another key, and it does not."""
    folder = tmp_path_factory.mktemp("keys")
    ann, bob = make_key(folder / "ann.key"), make_key(folder / "bob.key")
    signature = ann.sign(content)
    changed = bytearray(content or b"\0")
    changed[place % len(changed)] ^= 1 << bit

    assert is_signed_by(content, signature, [bob.public_key, ann.public_key])
    assert not is_signed_by(content, signature, [bob.public_key])
    assert not is_signed_by(bytes(changed), signature, [ann.public_key])
    assert not is_signed_by(content, "no signature", [ann.public_key])
    assert not is_signed_by(content, signature, ["no key"])


def test_a_signature_has_one_spelling(tmp_path: Path) -> None:
    """The last character of base64 has bits that mean nothing; changed, it is another text and no signature."""
    key = make_key(tmp_path / "ann.key")
    signature = key.sign(b"content")
    last = signature[-3]
    others = [signature[:-3] + each + "==" for each in "AEIMQUYcgkosw048BFJNRVZdhlptx159" if each != last]
    same_bytes = [each for each in others if base64.b64decode(each) == base64.b64decode(signature)]

    assert not any(is_signed_by(b"content", each, [key.public_key]) for each in others)
    assert same_bytes != []


@settings(deadline=None)
@given(STATEMENTS)
def test_a_statement_comes_back_as_it_was_sent(tmp_path_factory: pytest.TempPathFactory, statement: Statement) -> None:
    """Through arguments and through text, its bytes and its signature included."""
    signed = statement.signed(make_key(tmp_path_factory.mktemp("keys") / "ann.key"))

    assert read_statement(signed.as_texts()) == signed
    assert read_statements([signed.as_text()]) == [signed]
    assert read_statement({**signed.as_texts(), "more": "x"}).statement.content() == statement.content()


@settings(deadline=None)
@given(STATEMENTS, STATEMENTS)
def test_two_statements_never_have_the_same_bytes(one: Statement, other: Statement) -> None:
    """A signature can't be taken for one of something else."""
    assert (one.content() == other.content()) is (one == other)


def test_what_is_no_statement_is_left_out_or_named() -> None:
    """Rows that somebody wrote by hand harm nobody; arguments that lack something say what."""
    texts = dict.fromkeys(("model", "version", "bundle", "person", "reason", "signature"), "x")
    whole = {**texts, "verdict": "reject", "decided_at": "1"}

    assert read_statements(["", "{", "[]", "1", '"x"', "{}", '{"model": 1}']) == []
    assert read_statement(whole).statement.verdict is Verdict.REJECT
    with pytest.raises(StatementError, match="a signed statement needs 'decided_at'"):
        read_statement({**texts, "verdict": "reject"})
    for broken in ({"verdict": "maybe"}, {"decided_at": "soon"}, {"decided_at": "9" * 40}, {"reason": "x" * 9_000}):
        with pytest.raises(StatementError, match="signed statement"):
            read_statement({**whole, **broken})
