"""Ed25519 keys and signatures: made by a key's owner alone, checked by anyone who has the public half.

The one door to the cryptography library. A private key is a PEM file that only its owner may
read, and is never printed; a public key is the base64 of its 32 bytes, for the settings.
"""

import base64
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from registry.errors import KeyFileError

_OWNER_ONLY = 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
KEY_BYTES_MAX = 10_000


class SigningKey:
    """A person's private key, to sign with."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @property
    def public_key(self) -> str:
        """What the settings know the person by."""
        return _text(self._private.public_key().public_bytes_raw())

    def sign(self, content: bytes) -> str:
        """The signature of these bytes, as base64."""
        return _text(self._private.sign(content))


def make_key(path: Path) -> SigningKey:
    """Make a key and write it to a new file that only its owner may read. Raises `KeyFileError`."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
    except FileExistsError as error:
        raise KeyFileError(path, "is there already: name another file, a key is never replaced") from error
    except OSError as error:
        raise KeyFileError(path, f"can't be written: {error.strerror}") from error
    return SigningKey(private)


def read_key(path: Path) -> SigningKey:
    """The private key in a file. Raises `KeyFileError`, also when others than its owner may read it."""
    try:
        mode = path.stat().st_mode
        with path.open("rb") as file:
            content = file.read(KEY_BYTES_MAX)
    except OSError as error:
        raise KeyFileError(path, f"can't be read: {error.strerror}") from error
    if os.name == "posix" and mode & _OTHERS:
        raise KeyFileError(path, f"may be read by others (mode {stat.S_IMODE(mode):o}): chmod 600 {path}")
    try:
        private = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(path, "is no private key in PEM without a passphrase") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFileError(path, "is no Ed25519 key: make one with `penstock models keygen`")
    return SigningKey(private)


def is_signed_by(content: bytes, signature: str, public_keys: Iterable[str]) -> bool:
    """Whether one of the keys, base64 of 32 bytes each, has made this signature of these bytes."""
    return any(_holds(content, signature, key) for key in public_keys)


def _holds(content: bytes, signature: str, public_key: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(_bytes(public_key)).verify(_bytes(signature), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _bytes(text: str) -> bytes:
    """What `_text` made of them; base64 has other spellings of the same bytes, which are none of ours."""
    content = base64.b64decode(text, validate=True)
    if _text(content) != text:
        raise ValueError("not the one way to write it")
    return content


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
