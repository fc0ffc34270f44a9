"""A schema registry over TLS: who vouches for it, which name it has, and what it wants to see of us."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runtime.schema_registry import build_schema_registry
from runtime.settings import SchemaRegistrySettings, Settings
from schemas.errors import SchemaRegistryUnavailableError
from tests.services.certificates import Authority, Certificate

TEXT = '"string"'


class Handler(BaseHTTPRequestHandler):
    """Knows one schema under every id, and tells it to whoever shows the right user."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "Basic dTpw"
        body = json.dumps({"schema": TEXT} if known else {"message": "who?"}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing on stderr."""


class QuietServer(ThreadingHTTPServer):
    """Clients that break off the handshake are what is tested here."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing on stderr."""


@contextmanager
def served(certificate: Certificate, *, asks_for: Authority | None = None) -> Iterator[str]:
    """The address of a registry with that certificate, which may ask for one of an authority's."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=asks_for.ca if asks_for else None)
    context.load_cert_chain(certificate.cert, certificate.key)
    context.verify_mode = ssl.CERT_NONE if asks_for is None else ssl.CERT_REQUIRED
    with QuietServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def ask(folder: Path, url: str, **section: object) -> str:
    """The schema that a process with these settings is told."""
    settings = SchemaRegistrySettings.model_validate(
        {"url": url, "username": "u", "password": "p", "timeout_s": 10.0, **section}
    )
    return build_schema_registry(Settings(data_dir=folder / "data", schema_registry=settings)).schema(7)


def test_a_registry_that_our_authority_vouches_for_is_asked(authority: Authority, tmp_path: Path) -> None:
    """User and password go over the connection that was checked."""
    with served(authority.issue("127.0.0.1", common_name="registry")) as url:
        assert ask(tmp_path, url, ca_file=authority.ca) == TEXT


def test_a_registry_that_nobody_vouches_for_is_told_nothing(authority: Authority, tmp_path: Path) -> None:
    """Another authority's word, or none, is not enough."""
    stranger = Authority(tmp_path / "stranger")
    with served(stranger.issue("127.0.0.1", common_name="registry")) as url:
        with pytest.raises(SchemaRegistryUnavailableError, match="certificate verify failed"):
            ask(tmp_path, url, ca_file=authority.ca)
        with pytest.raises(SchemaRegistryUnavailableError, match="certificate verify failed"):
            ask(tmp_path, url)


def test_a_certificate_of_another_host_is_not_believed(authority: Authority, tmp_path: Path) -> None:
    """The authority is right and the name is not."""
    with (
        served(authority.issue("elsewhere", common_name="registry")) as url,
        pytest.raises(SchemaRegistryUnavailableError, match="certificate verify failed"),
    ):
        ask(tmp_path, url, ca_file=authority.ca)


def test_our_certificate_is_shown_where_it_is_asked_for(authority: Authority, tmp_path: Path) -> None:
    """With it the registry answers, without it there is no answer."""
    ours = authority.issue("penstock", common_name="penstock")
    with served(authority.issue("127.0.0.1", common_name="registry"), asks_for=authority) as url:
        with pytest.raises(SchemaRegistryUnavailableError):
            ask(tmp_path, url, ca_file=authority.ca)

        assert ask(tmp_path, url, ca_file=authority.ca, cert_file=ours.cert, key_file=ours.key) == TEXT
