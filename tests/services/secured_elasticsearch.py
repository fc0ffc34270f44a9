"""An Elasticsearch that encrypts, asks who is there, and holds everybody to the rights of a role.

Users and roles are in files of the server, since this distribution lacks the analyzers that the index
of users and API keys needs; an API key has the same rights as a role of the same descriptor.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch

from tests.services.certificates import Authority
from tests.services.elasticsearch_server import ElasticsearchServer

SUPER_USER = "admin"
ITERATIONS = 10_000
BYTES = 32


class SecuredElasticsearch:
    """The node, its authority and its users; `roles` have a user each, of the same name."""

    def __init__(self, folder: Path, roles: Mapping[str, Mapping[str, Any]]) -> None:
        self.authority = Authority(folder)
        self.passwords = {name: f"planted-{name}-{secrets.token_hex(12)}" for name in (*roles, SUPER_USER)}
        certificate = self.authority.issue("127.0.0.1", common_name="elasticsearch")
        self.server = ElasticsearchServer(
            settings={
                "xpack.security.enabled": "true",
                "xpack.security.http.ssl.enabled": "true",
                "xpack.security.http.ssl.certificate": certificate.cert.name,
                "xpack.security.http.ssl.key": certificate.key.name,
                "xpack.security.authc.api_key.enabled": "true",
            },
            files=(certificate.cert, certificate.key, *self._users(folder, roles)),
            access={"ca_certs": str(self.authority.ca), "basic_auth": (SUPER_USER, self.passwords[SUPER_USER])},
        )

    def start(self) -> None:
        self.server.start()

    def stop(self) -> None:
        self.server.stop()
        self.server.remove()

    def client(self) -> Elasticsearch:
        """A client as the super user, to look behind penstock's back."""
        return self.server.client()

    def _users(self, folder: Path, roles: Mapping[str, Mapping[str, Any]]) -> list[Path]:
        """The server's files of users, of who has which role, and of what a role may."""
        users = "".join(f"{name}:{_hashed(password)}\n" for name, password in self.passwords.items())
        having = "".join(f"{name}:{name}\n" for name in roles)
        contents = {
            "users": users,
            "users_roles": f"{having}superuser:{SUPER_USER}\n",
            # One role after the other, each at the start of a line; what it may is JSON, which is YAML too.
            "roles.yml": "".join(f"{name}:\n  {json.dumps(rights)}\n" for name, rights in roles.items()),
        }
        for name, content in contents.items():
            (folder / name).write_text(content, encoding="utf-8")
        return [folder / name for name in contents]


def _hashed(password: str) -> str:
    """PBKDF2 in the form that the server's file of users has."""
    salt = secrets.token_bytes(BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, BYTES)
    return f"{{PBKDF2}}{ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
