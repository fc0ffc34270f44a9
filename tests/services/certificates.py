"""An authority of the test run's own, and certificates that it vouches for: as files, the way servers want them."""

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate and its unencrypted key in PEM; `both` holds key and certificate, as brokers want them."""

    cert: Path
    key: Path
    both: Path


class Authority:
    """Makes certificates below `folder`; `ca` is what others must believe."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.ca = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(self.ca)

    def issue(self, *names: str, common_name: str) -> Certificate:
        """A certificate for these host names or addresses, whose owner is `common_name`."""
        issued = self._authority.issue_cert(*names, common_name=common_name)
        made = Certificate(
            cert=self._folder / f"{common_name}.cert.pem",
            key=self._folder / f"{common_name}.key.pem",
            both=self._folder / f"{common_name}.pem",
        )
        chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        key = _pkcs8(issued.private_key_pem.bytes())
        made.cert.write_bytes(chain)
        made.key.write_bytes(key)
        made.both.write_bytes(key + chain)
        return made


def _pkcs8(key: bytes) -> bytes:
    """The form of keys that Java reads."""
    return serialization.load_pem_private_key(key, password=None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
