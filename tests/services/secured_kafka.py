"""A broker that encrypts, asks who is there, and holds everybody to rights: SASL over TLS, and access control lists.

One listener takes users with SCRAM or PLAIN, another takes certificates. Users are made here, each with
a password in a file of its own; what they may do is left to whoever tests it. Nobody may do
anything but `admin`, who is a super user.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs forget to export them
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from runtime.settings import KafkaSettings
from tests.services.certificates import Authority, Certificate
from tests.services.kafka_server import KafkaServer
from tests.services.ports import free_ports

ADMIN = "admin"
PLAIN_USER = "plain-user"
CALL_S = 30.0
ITERATIONS = 4_096
MECHANISMS = {"SCRAM-SHA-256": ScramMechanism.SCRAM_SHA_256, "SCRAM-SHA-512": ScramMechanism.SCRAM_SHA_512}

SECURITY = {
    "advertised.listeners": "SASL_SSL://127.0.0.1:{port},SSL://127.0.0.1:{tls_port}",
    "listeners": "SASL_SSL://127.0.0.1:{port},SSL://127.0.0.1:{tls_port},CONTROLLER://127.0.0.1:{controller_port}",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
    "inter.broker.listener.name": "SASL_SSL",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    # The controller's own listener shows no user; in this one process it is the broker that asks there.
    "super.users": "User:admin;User:ANONYMOUS",
    "sasl.enabled.mechanisms": "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN",
    "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
    "ssl.keystore.type": "PEM",
    "ssl.truststore.type": "PEM",
    "ssl.keystore.location": "{certificate}",
    "ssl.truststore.location": "{ca}",
    "listener.name.ssl.ssl.client.auth": "required",
    "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/CN=$1/",
    "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
        'org.apache.kafka.common.security.scram.ScramLoginModule required username="admin" password="{admin_password}";'
    ),
    "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": (
        "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    ),
    "listener.name.sasl_ssl.plain.sasl.jaas.config": (
        'org.apache.kafka.common.security.plain.PlainLoginModule required user_plain-user="{plain_password}";'
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user of the broker, and where the password is."""

    name: str
    password: str
    password_file: Path


class SecuredKafka:
    """The broker, its authority and its users; `start` first."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "certificates")
        self._folder = folder
        self._admin = self._user_with_password(ADMIN)
        self.plain = self._user_with_password(PLAIN_USER)
        (self.tls_port,) = free_ports(1)
        self.server = KafkaServer(data_dir=folder / "kafka")
        certificate = self.authority.issue("127.0.0.1", common_name="broker")
        values = {
            "port": str(self.server.port),
            "tls_port": str(self.tls_port),
            "controller_port": str(self.server.controller_port),
            "certificate": str(certificate.both),
            "ca": str(self.authority.ca),
            "admin_password": self._admin.password,
            "plain_password": self.plain.password,
        }
        self.server.properties = {name: value.format(**values) for name, value in SECURITY.items()}
        self.server.format_options = (
            "--add-scram",
            f"SCRAM-SHA-512=[name={ADMIN},password={self._admin.password}]",
        )
        self.server.client = self.client(self._admin)

    def start(self) -> None:
        self.server.start()

    def stop(self) -> None:
        self.server.stop()

    @property
    def admin(self) -> User:
        """The super user."""
        return self._admin

    def add_user(self, name: str, mechanism: str = "SCRAM-SHA-512") -> User:
        """A user who may not do anything yet."""
        user = self._user_with_password(name)
        info = ScramCredentialInfo(MECHANISMS[mechanism], ITERATIONS)
        admin = AdminClient(self.client(self._admin))
        change = UserScramCredentialUpsertion(name, info, user.password.encode())
        admin.alter_user_scram_credentials([change], request_timeout=CALL_S)[name].result(CALL_S)
        return user

    def settings(self, user: User, mechanism: str = "SCRAM-SHA-512") -> KafkaSettings:
        """How penstock is told to be that user."""
        return KafkaSettings.model_validate(
            {
                "bootstrap_servers": self.server.bootstrap_servers,
                "security_protocol": "SASL_SSL",
                "sasl_mechanism": mechanism,
                "sasl_username": user.name,
                "sasl_password_file": user.password_file,
                "ssl_ca_file": self.authority.ca,
            }
        )

    def certificate_settings(self, certificate: Certificate) -> KafkaSettings:
        """How penstock is told to show that certificate."""
        return KafkaSettings(
            bootstrap_servers=f"127.0.0.1:{self.tls_port}",
            security_protocol="SSL",
            ssl_ca_file=self.authority.ca,
            ssl_cert_file=certificate.cert,
            ssl_key_file=certificate.key,
        )

    def client(self, user: User) -> dict[str, str | int | float | bool]:
        """Properties with which a test looks behind penstock's back."""
        return {
            "bootstrap.servers": self.server.bootstrap_servers,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user.name,
            "sasl.password": user.password,
            "ssl.ca.location": str(self.authority.ca),
        }

    def _user_with_password(self, name: str) -> User:
        password = f"planted-{name}-{secrets.token_hex(12)}"
        file = self._folder / "passwords" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{password}\n", encoding="utf-8")
        return User(name=name, password=password, password_file=file)
