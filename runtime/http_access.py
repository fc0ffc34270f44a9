"""How penstock shows itself to servers over HTTP, and whom it believes: headers and a TLS context."""

import base64
import ssl

from pydantic import SecretStr

from runtime.settings import HttpServerSettings
from runtime.tls import TlsFiles, tls_context


def authorization(section: HttpServerSettings, *, token: SecretStr | None, scheme: str) -> dict[str, str]:
    """The header that says who asks: a token with its scheme, or user and password, or nobody.

    >>> authorization(HttpServerSettings(username="u", password="p"), token=None, scheme="Bearer")
    {'Authorization': 'Basic dTpw'}
    """
    if token is not None:
        return {"Authorization": f"{scheme} {token.get_secret_value()}"}
    if section.username and section.password is not None:
        pair = f"{section.username}:{section.password.get_secret_value()}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def server_tls(name: str, section: HttpServerSettings) -> ssl.SSLContext:
    """The TLS context of the section with that name. Raises `SettingsError`."""
    return tls_context(
        TlsFiles(
            ca=(f"{name}.ca_file", section.ca_file),
            certificate=(f"{name}.cert_file", section.cert_file),
            key=(f"{name}.key_file", section.key_file),
            key_password=section.key_password,
        )
    )
