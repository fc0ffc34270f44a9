"""Makes a log line plain, bounded and free of secrets: the second line of defense.

Settings keep secrets in types that do not print themselves; this catches what gets by: values
under names that say so, values of the settings that are secret wherever they turn up (an
exception's text, a library's message), and credentials in addresses and assignments.
"""

import re
from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

REDACTED = "[redacted]"
TEXT_CHARS_MAX = 8_192
NESTED_MAX = 4
ITEMS_MAX = 200
# Shorter secrets would be found in ordinary words; their names and types still hide them.
SECRET_CHARS_MIN = 4

_SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|secret|(^|[_.-])token$|api[_.-]?key|authorization|credential|(private|personal)[_.-]?key",
    re.IGNORECASE,
)
_IN_ADDRESS = re.compile(r"(?<=://)[^\s/@]+(?=@)")
_ASSIGNED = re.compile(
    r"(?P<name>passw(?:or)?d|passphrase|secret|api[_.-]?key|authorization)(?P<is>[\"']?\s*[=:]\s*[\"']?)"
    r"(?:(?:basic|bearer|apikey|plain)\s+)?[^\s,;\"'}]+",
    re.IGNORECASE,
)

Line = MutableMapping[str, Any]


class Redactor:
    """A processor of structlog; `secrets` are hidden wherever they occur."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= SECRET_CHARS_MIN}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, _logger: object, _method: str, line: Line) -> Line:
        """The line as text, numbers, lists and maps of bounded size; what begins with `_` is structlog's own.

        >>> dict(Redactor(["hunter22"])(None, "info", {"event": "refused: hunter22", "api_key": "k", "offset": 7}))
        {'event': 'refused: [redacted]', 'api_key': '[redacted]', 'offset': 7}
        """
        return {name: value if name.startswith("_") else self._of(name, value, 0) for name, value in line.items()}

    def text(self, words: str) -> str:
        """Words without secrets, cut in their middle where they are too long.

        >>> Redactor().text("http://ann:pw@host/ failed; sasl.password=abc, retrying")
        'http://[redacted]@host/ failed; sasl.password=[redacted], retrying'
        """
        if self._known is not None:
            words = self._known.sub(REDACTED, words)
        words = _IN_ADDRESS.sub(REDACTED, words)
        words = _ASSIGNED.sub(rf"\g<name>\g<is>{REDACTED}", words)
        if len(words) <= TEXT_CHARS_MAX:
            return words
        half = TEXT_CHARS_MAX // 2
        return f"{words[:half]} [{len(words) - 2 * half} characters left out] {words[-half:]}"

    def _of(self, name: str, value: object, depth: int) -> object:
        if isinstance(value, (SecretStr, SecretBytes)) or (value is not None and _SECRET_NAME.search(name)):
            return REDACTED
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, Mapping) and depth < NESTED_MAX:
            return {
                self.text(str(key)): self._of(str(key), inner, depth + 1)
                for key, inner in list(value.items())[:ITEMS_MAX]
            }
        if isinstance(value, (Sequence, Collection)) and not isinstance(value, (str, bytes)) and depth < NESTED_MAX:
            return [self._of("", inner, depth + 1) for inner in list(value)[:ITEMS_MAX]]
        return self.text(str(value))


def secrets_of(settings: BaseModel) -> frozenset[str]:
    """Every secret value that these settings hold, however deep."""
    return frozenset(_secrets(settings))


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, SecretBytes):
        yield value.get_secret_value().decode(errors="replace")
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _secrets(inner)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for inner in value:
            yield from _secrets(inner)
