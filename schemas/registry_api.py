"""The one door to a schema registry's HTTP API: a question goes in, its definite answer comes out.

Everything that is no definite answer (no connection, no answer in time, 5xx, refused credentials,
something that is no schema registry at all) is `SchemaRegistryUnavailableError`, since asking
again may help and nothing may be concluded from it.
"""

import errno
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from schemas.errors import SchemaRegistryUnavailableError

BODY_BYTES_MAX = 4 << 20
"""Of an answer; a schema of that size is no schema."""
_CHUNK_BYTES = 65_536
_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
_NOT_FOUND_CODES = frozenset({40401, 40402, 40403})
_REFUSED = (409, 422)
_REMEDIES = {
    401: "it does not know the credentials: check those in the section schema_registry",
    403: "it does not allow this to the credentials of the section schema_registry",
    404: "there is no schema registry at that address: check the path in schema_registry.url",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A definite answer: what was asked for, that there is no such thing, or a refusal with its words."""

    status: int
    body: Mapping[str, Any]

    @property
    def found(self) -> bool:
        return self.status == 200

    @property
    def refused(self) -> bool:
        return self.status in _REFUSED

    @property
    def message(self) -> str:
        return str(self.body.get("message", "without a word"))


class RegistryApi:
    """Questions to one schema registry; connections are kept, and threads may share it."""

    def __init__(
        self, url: str, *, timeout_s: float, headers: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._headers = {"Accept": f"{_MEDIA_TYPE}, application/json", "Content-Type": _MEDIA_TYPE, **(headers or {})}
        self._pool = urllib3.PoolManager(maxsize=4, ssl_context=tls)

    def ask(self, method: str, path: str, content: object = None) -> Answer:
        """The answer to one request. Raises `SchemaRegistryUnavailableError` for all that is none."""
        try:
            status, raw = self._exchange(method, path, content)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unavailable(_why(error)) from error
        body = _json_object(raw)
        if status == 200 and body is not None:
            return Answer(status=status, body=body)
        if body is not None and (status in _REFUSED or (status == 404 and body.get("error_code") in _NOT_FOUND_CODES)):
            return Answer(status=status, body=body)
        raise self._unavailable(f"HTTP {status}: {_REMEDIES.get(status, 'no answer of a schema registry')}")

    def _exchange(self, method: str, path: str, content: object) -> tuple[int, bytes]:
        """Status and body, both within the time limit and the body within its bound."""
        deadline = time.monotonic() + self._timeout_s
        response = self._pool.request(
            method,
            self.url + path,
            body=None if content is None else json.dumps(content).encode(),
            headers=self._headers,
            timeout=urllib3.Timeout(connect=self._timeout_s, read=self._timeout_s),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        raw = b""
        try:
            while chunk := response.read(_CHUNK_BYTES):
                raw += chunk
                if len(raw) > BODY_BYTES_MAX or time.monotonic() > deadline:
                    response.close()
                    raise OSError(errno.EMSGSIZE, "the answer has no end")
        finally:
            response.release_conn()
        return response.status, raw

    def _unavailable(self, detail: str) -> SchemaRegistryUnavailableError:
        return SchemaRegistryUnavailableError(f"schema registry {self.url} can't be used now: {detail}")


def _json_object(raw: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(raw)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _why(error: BaseException) -> str:
    """The cause in words; the library's own hold memory addresses, and no two logs would be alike."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return "no answer in time" if isinstance(error, urllib3.exceptions.TimeoutError) else type(error).__name__
