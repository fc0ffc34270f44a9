"""A schema registry that speaks the Confluent API: Confluent's own, Apicurio, Karapace, Redpanda and others.

The server keeps ids, subjects and versions; a new version is held to backward compatibility twice:
here, where field and reason can be told, and by the server, which decides between two that come at once.
"""

from urllib.parse import quote

from schemas.compatibility import check_backward
from schemas.errors import SchemaIncompatibleError, SchemaNotFoundError, SchemaRegistryUnavailableError
from schemas.registry_api import Answer, RegistryApi
from schemas.schema_text import canonical_form, require_valid

ID_MAX = 2**31 - 1
"""The API's ids are 32-bit integers with a sign; a frame has room for larger numbers, which no server can know."""
_BACKWARD = frozenset({"BACKWARD", "BACKWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"})


class ConfluentRegistry:
    """A `SchemaRegistry` on a server; asks anew each time, `runtime.schema_cache` keeps what never changes."""

    def __init__(self, api: RegistryApi) -> None:
        self._api = api

    def register(self, subject: str, schema: str) -> int:
        require_valid(subject, schema)
        # One spelling, so that every server sees that two are the same.
        text = canonical_form(schema)
        known = self._known(subject, text)
        if known is not None:
            return known
        latest = self._latest(subject)
        if latest is not None:
            check_backward(schema, latest[1], subject=subject)
        self._hold_to_backward(subject)
        answer = self._api.ask("POST", f"{_path(subject)}/versions", {"schema": text, "schemaType": "AVRO"})
        if answer.found:
            return _schema_id(answer)
        # Another client may have been faster with the very same schema.
        known = self._known(subject, text)
        if known is None:
            raise SchemaIncompatibleError(subject, "", f"was refused by the schema registry: {answer.message}")
        return known

    def schema(self, schema_id: int) -> str:
        if not 0 <= schema_id <= ID_MAX:
            raise SchemaNotFoundError(schema_id)
        answer = self._api.ask("GET", f"/schemas/ids/{schema_id}")
        if not answer.found:
            raise SchemaNotFoundError(schema_id)
        return _schema_text(answer)

    def latest(self, subject: str) -> tuple[int, str]:
        found = self._latest(subject)
        if found is None:
            raise SchemaNotFoundError(subject)
        return found

    def _known(self, subject: str, text: str) -> int | None:
        """The id of this very schema under the subject, which needs no right to write."""
        answer = self._api.ask("POST", _path(subject), {"schema": text, "schemaType": "AVRO"})
        return _schema_id(answer) if answer.found else None

    def _latest(self, subject: str) -> tuple[int, str] | None:
        answer = self._api.ask("GET", f"{_path(subject)}/versions/latest")
        return (_schema_id(answer), _schema_text(answer)) if answer.found else None

    def _hold_to_backward(self, subject: str) -> None:
        """Let the server refuse what readers could not live with, unless it does already."""
        config = f"/config/{quote(subject, safe='')}"
        if self._holds_backward(config):
            return
        answer = self._api.ask("PUT", config, {"compatibility": "BACKWARD"})
        # Refused, too, where another client has set it in this moment.
        if not answer.found and not self._holds_backward(config):
            raise SchemaRegistryUnavailableError(
                f"the schema registry does not hold {subject!r} to backward compatibility: {answer.message}"
            )

    def _holds_backward(self, config: str) -> bool:
        answer = self._api.ask("GET", f"{config}?defaultToGlobal=true")
        return answer.body.get("compatibilityLevel") in _BACKWARD


def _path(subject: str) -> str:
    return f"/subjects/{quote(subject, safe='')}"


def _schema_id(answer: Answer) -> int:
    schema_id = answer.body.get("id")
    if not isinstance(schema_id, int):
        raise SchemaRegistryUnavailableError("the schema registry gave an answer without an id")
    return schema_id


def _schema_text(answer: Answer) -> str:
    text = answer.body.get("schema")
    if not isinstance(text, str):
        raise SchemaRegistryUnavailableError("the schema registry gave an answer without a schema")
    return text
