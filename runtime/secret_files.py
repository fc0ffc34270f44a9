"""Secrets from files, as orchestrators mount them: `password_file` beside `password`, for every secret setting.

What a file holds becomes the secret, without the line break at its end. It is read when the
settings are parsed, so a changed file counts from the next start of a process.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

FILE_SUFFIX = "_file"
BYTES_MAX = 65_536


def with_secrets_read(values: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """The values of a section with each named file's content as its secret.

    Raises `ValueError`, which names the setting and never a content.
    """
    read = dict(values)
    for name in fields:
        place = values.get(name + FILE_SUFFIX)
        if name + FILE_SUFFIX not in fields or place is None:
            continue
        if values.get(name) is not None:
            raise ValueError(f"give {name} or {name}{FILE_SUFFIX}, not both")
        read[name] = _content(name, Path(place))
        # Read once: what was parsed may be parsed again, as sections are when settings are put together.
        read[name + FILE_SUFFIX] = None
    return read


def _content(name: str, path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(BYTES_MAX + 1).rstrip("\r\n")
    except UnicodeDecodeError:
        # Its words would hold a part of what may be the secret.
        raise ValueError(f"{name}{FILE_SUFFIX}: {path} is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"{name}{FILE_SUFFIX}: {path} can't be read: {error.strerror}") from error
    if not text or len(text) > BYTES_MAX:
        raise ValueError(f"{name}{FILE_SUFFIX}: {path} is empty or longer than {BYTES_MAX} characters")
    return text
