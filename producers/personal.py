"""Personal values become tokens before they are published: the same value, the same token, no way back.

HMAC-SHA256 (Krawczyk, Bellare, Canetti: HMAC, RFC 2104, 1997) with the deployment's secret key;
without it a short list of likely values could be tried against the tokens.
"""

import hashlib
import hmac
from collections.abc import Collection, Mapping

_TOKEN_CHARACTERS = 32


def tokenize(value: str, key: bytes) -> str:
    """The token of a value: 128 bits as text.

    >>> tokenize("N14228", b"secret")
    'f1f8358ac2d26aa01f578c1b61af1b61'
    """
    return hmac.new(key, value.encode("utf-8"), hashlib.sha256).hexdigest()[:_TOKEN_CHARACTERS]


def with_tokens(values: Mapping[str, object], personal: Collection[str], key: bytes) -> dict[str, object]:
    """The values with the text of personal features turned into tokens; what is missing stays missing.

    >>> with_tokens({"tail": "N14228", "seats": 12}, {"tail"}, b"secret")
    {'tail': 'f1f8358ac2d26aa01f578c1b61af1b61', 'seats': 12}
    """
    return {
        name: tokenize(value, key) if name in personal and isinstance(value, str) else value
        for name, value in values.items()
    }
