"""What is an answer of a schema registry and what is none: servers that misbehave, each in its own way."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from schemas.confluent_registry import ConfluentRegistry
from schemas.errors import SchemaNotFoundError, SchemaRegistryUnavailableError
from schemas.registry_api import BODY_BYTES_MAX, RegistryApi
from tests.services.ports import free_ports

Reply = Callable[[BaseHTTPRequestHandler], None]
SECRET = "tell-nobody"


class Scripted:
    """A server that answers everything with `reply`."""

    def __init__(self) -> None:
        self.reply: Reply = says(200, {})
        self.asked: list[str] = []
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                scripted.asked.append(self.headers["Authorization"] or "")
                scripted.reply(self)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing on stderr."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.server.shutdown()
    made.server.server_close()


def says(status: int, content: object) -> Reply:
    """A reply with that status and JSON, or text as it is."""
    body = content.encode() if isinstance(content, str) else json.dumps(content).encode()

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def hangs(handler: BaseHTTPRequestHandler) -> None:
    """Take the question and say nothing until the client has gone."""
    time.sleep(1.0)
    handler.close_connection = True


def never_ends(handler: BaseHTTPRequestHandler) -> None:
    """More than any schema has, until the client has enough."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(100 * BODY_BYTES_MAX))
    handler.end_headers()
    try:
        for _ in range(1_000):
            handler.wfile.write(bytes(BODY_BYTES_MAX // 10))
    except OSError:
        handler.close_connection = True


NO_ANSWERS = {
    "the server's fault": (says(500, {"error_code": 50001, "message": "store is away"}), "HTTP 500"),
    "too many questions": (says(429, {}), "HTTP 429"),
    "unknown credentials": (says(401, {"error_code": 401}), "check those in the section schema_registry"),
    "no right": (says(403, {"error_code": 403}), "does not allow"),
    "another server": (says(404, "<html>nothing here</html>"), "check the path in schema_registry.url"),
    "a proxy without its server": (says(404, {"error_code": 404, "message": "no route"}), "check the path"),
    "a redirection": (says(302, {}), "HTTP 302"),
    "no JSON": (says(200, "<html>a login page</html>"), "HTTP 200"),
    "a list": (says(200, [1, 2]), "HTTP 200"),
    "no schema inside": (says(200, {"id": 7}), "without a schema"),
    "silence": (hangs, "no answer in time"),
    "no end": (never_ends, "no end"),
}


@pytest.mark.parametrize("case", NO_ANSWERS)
def test_what_is_no_answer_is_not_taken_for_one(scripted: Scripted, case: str) -> None:
    """Nothing but a registry's own word may make a dead letter; everything else is asked again."""
    scripted.reply, words = NO_ANSWERS[case]
    registry = ConfluentRegistry(RegistryApi(scripted.url, timeout_s=0.3))

    with pytest.raises(SchemaRegistryUnavailableError, match=words):
        registry.schema(7)


def test_nobody_at_the_address_is_said_in_words() -> None:
    """The message names address and cause, and no object of a library."""
    (port,) = free_ports(1)
    registry = ConfluentRegistry(RegistryApi(f"http://127.0.0.1:{port}", timeout_s=5))

    with pytest.raises(SchemaRegistryUnavailableError) as caught:
        registry.schema(7)

    assert str(caught.value) == f"schema registry http://127.0.0.1:{port} can't be used now: Connection refused"


@pytest.mark.parametrize("code", [40401, 40402, 40403])
def test_the_registrys_own_no_is_definite(scripted: Scripted, code: int) -> None:
    """Each of its codes for what is not there says so."""
    scripted.reply = says(404, {"error_code": code, "message": "not found"})

    with pytest.raises(SchemaNotFoundError):
        ConfluentRegistry(RegistryApi(scripted.url, timeout_s=5)).schema(7)


def test_credentials_go_out_and_never_into_a_message(scripted: Scripted) -> None:
    """The header is sent with each question; a refusal does not repeat it."""
    scripted.reply = says(401, {"message": f"{SECRET} is wrong"})
    registry = ConfluentRegistry(RegistryApi(scripted.url, timeout_s=5, headers={"Authorization": f"Bearer {SECRET}"}))

    with pytest.raises(SchemaRegistryUnavailableError) as caught:
        registry.schema(7)

    assert scripted.asked == [f"Bearer {SECRET}"]
    assert SECRET not in repr(caught.value)
