"""How penstock shows itself to servers over HTTP, and whom it believes: headers and a TLS context."""

import base64
import ssl

from pydantic import SecretStr

from runtime.settings import HttpServerSettings, SettingsError


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


def tls_context(name: str, section: HttpServerSettings) -> ssl.SSLContext:
    """Verify the server and its host name, and show our certificate if there is one.

    Raises `SettingsError` for files that are no certificates or keys.
    """
    key_password = None if section.key_password is None else section.key_password.get_secret_value()
    setting = "ca_file"
    try:
        context = ssl.create_default_context(cafile=section.ca_file)
        if section.cert_file is not None:
            setting = "cert_file, key_file or key_password"
            # An empty password makes OpenSSL fail where none would make it ask at the terminal.
            context.load_cert_chain(section.cert_file, section.key_file, password=key_password or "")
    except (ssl.SSLError, OSError) as error:
        raise SettingsError(f"{name}.{setting} can't be used: {error.strerror or error}") from error
    return context
