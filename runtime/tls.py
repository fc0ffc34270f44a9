"""A TLS context from files, for clients that take one: verify the server and its host name."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from runtime.settings import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Whom to believe and what to show; the names of the settings are for messages."""

    ca: tuple[str, Path | None]
    certificate: tuple[str, Path | None]
    key: tuple[str, Path | None]
    key_password: SecretStr | None


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """A context for clients. Raises `SettingsError` for files that are no certificates or keys."""
    (setting, ca), (_, certificate) = files.ca, files.certificate
    try:
        context = ssl.create_default_context(cafile=ca)
        if certificate is not None:
            setting = f"{files.certificate[0]} or {files.key[0]} or its password"
            # Without any, OpenSSL would ask for the password of an encrypted key at the terminal.
            password = "" if files.key_password is None else files.key_password.get_secret_value()
            context.load_cert_chain(certificate, files.key[1], password=password)
    except OSError as error:
        raise SettingsError(f"{setting} can't be used: {error.strerror or error}") from error
    return context
