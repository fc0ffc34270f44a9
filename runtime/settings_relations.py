"""What must hold between settings of one section: said once, in the same words for every server."""

import base64
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel

PUBLIC_KEY_BYTES = 32


def require_together(section: BaseModel, one: str, other: str) -> None:
    """Both or neither. Raises `ValueError`."""
    given = [name for name in (one, other) if getattr(section, name)]
    if len(given) == 1:
        missing = other if given == [one] else one
        raise ValueError(f"{given[0]} is given and {missing} is not: they go together")


def require_files(section: BaseModel, *names: str) -> None:
    """The files that are named must be there. Raises `ValueError`."""
    for name in names:
        path: Path | None = getattr(section, name)
        if path is not None and not path.is_file():
            raise ValueError(f"{name}: there is no file {path}")


def require_plain_url(url: str) -> None:
    """Nothing or an HTTP address without credentials, which would show in logs. Raises `ValueError`.

    >>> require_plain_url("https://user:secret@registry:8081")
    Traceback (most recent call last):
    ValueError: url must hold no credentials: give them in settings of their own
    """
    if not url:
        return
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ValueError("url must hold no credentials: give them in settings of their own")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("url must be http://host:port or https://host:port, with a path where the server has one")


def require_public_key(text: str) -> str:
    """Raises `ValueError` unless it is the base64 of an Ed25519 public key, in the one way to write it."""
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        content = b""
    if len(content) != PUBLIC_KEY_BYTES or base64.b64encode(content).decode() != text:
        raise ValueError("an approver's key is the base64 of 32 bytes, as `penstock models keygen` prints it")
    return text
