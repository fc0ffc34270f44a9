"""How servers are named and shown to: what fits together, where secrets come from, and that they stay secret."""

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.schema_registry import build_schema_registry, schema_registry_place
from runtime.settings import Section, Settings, SettingsError, load_settings

PASSWORD = "correct horse battery"
URL = "https://registry:8081/api"


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Settings from a section in TOML and environment variables."""

    def parse(content: str, section: str = "schema_registry", **environment: str) -> Settings:
        config = tmp_path / "penstock.toml"
        config.write_text(f"[{section}]\n{content}\n")
        for name, value in environment.items():
            monkeypatch.setenv(f"PENSTOCK_{section.upper()}__{name}", value)
        return load_settings(config, data_dir=tmp_path / "data")

    return parse


def test_a_secret_comes_from_a_file(read: Callable[..., Settings], tmp_path: Path) -> None:
    """The line break that editors leave at the end is no part of it."""
    (tmp_path / "password").write_text(PASSWORD + "\n")
    settings = read(f'url = "{URL}"\nusername = "penstock"\npassword_file = "{tmp_path}/password"')

    assert settings.schema_registry.password is not None
    assert settings.schema_registry.password.get_secret_value() == PASSWORD


def test_parsed_settings_can_be_parsed_again(read: Callable[..., Settings], tmp_path: Path) -> None:
    """A section that a program has built goes into other settings as it is, though its secret came from a file."""
    (tmp_path / "password").write_text(PASSWORD)
    section = read(f'url = "{URL}"\nusername = "penstock"\npassword_file = "{tmp_path}/password"').schema_registry

    assert load_settings(schema_registry=section).schema_registry == section


def test_a_secret_comes_from_the_environment(read: Callable[..., Settings]) -> None:
    """A variable goes over the file of settings, so that the file needs no secret."""
    settings = read(f'url = "{URL}"\nusername = "penstock"', PASSWORD=PASSWORD)

    assert settings.schema_registry.password is not None
    assert settings.schema_registry.password.get_secret_value() == PASSWORD


def test_secrets_do_not_show(read: Callable[..., Settings]) -> None:
    """Whatever prints settings, a person or a log, prints stars."""
    settings = read(f'url = "{URL}"\nusername = "penstock"', PASSWORD=PASSWORD)

    assert PASSWORD not in repr(settings)
    assert PASSWORD not in str(settings.schema_registry)
    assert PASSWORD not in settings.model_dump_json()
    assert PASSWORD not in str(settings.model_dump())


REFUSED = {
    "both": (f'url = "{URL}"\nusername = "u"\npassword = "{PASSWORD}"\npassword_file = "/x"', "not both"),
    "no such file": (f'url = "{URL}"\nusername = "u"\npassword_file = "/nowhere"', "/nowhere can't be read"),
    "a folder": (f'url = "{URL}"\nusername = "u"\npassword_file = "/tmp"', "/tmp can't be read"),
    "user alone": (f'url = "{URL}"\nusername = "u"', "username is given and password is not"),
    "password alone": (f'url = "{URL}"\npassword = "{PASSWORD}"', "password is given and username is not"),
    "two ways in": (f'url = "{URL}"\nusername = "u"\npassword = "{PASSWORD}"\ntoken = "t"', "not both"),
    "credentials in the address": (f'url = "https://u:{PASSWORD}@registry"', "must hold no credentials"),
    "no address": ('url = "registry:8081"', "must be http"),
    "a query": (f'url = "{URL}?key={PASSWORD}"', "must be http"),
    "nobody to show it to": (f'username = "u"\npassword = "{PASSWORD}"', "url is empty"),
    "a certificate without its key": (f'url = "{URL}"\ncert_file = "/x"', "cert_file is given and key_file is not"),
    "no such authority": (f'url = "{URL}"\nca_file = "/nowhere"', "ca_file: there is no file /nowhere"),
    "another kind": (f'url = "{URL}"\nusername = "u"\npassword = 7', "password: Input should be a valid string"),
    "unknown": (f'url = "{URL}"\npasword = "{PASSWORD}"', "pasword"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_words(read: Callable[..., Settings], case: str) -> None:
    """The message names the section, the setting and the remedy, and never a secret."""
    section, words = REFUSED[case]

    with pytest.raises(SettingsError) as caught:
        read(section)

    assert words in str(caught.value)
    assert "schema_registry" in str(caught.value)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


BROKER = 'bootstrap_servers = "kafka:9092"'
USER = f'sasl_username = "u"\nsasl_password = "{PASSWORD}"'
REFUSED_BY_KAFKA = {
    "embedded": ('security_protocol = "SSL"', "the embedded broker has no security"),
    "no user": (f'{BROKER}\nsecurity_protocol = "SASL_SSL"', "needs sasl_username and sasl_password"),
    "user alone": (f'{BROKER}\nsecurity_protocol = "SASL_SSL"\nsasl_username = "u"', "sasl_password is not"),
    "nobody to show it to": (f"{BROKER}\n{USER}", "PLAINTEXT shows no user"),
    "a user where certificates are shown": (f'{BROKER}\nsecurity_protocol = "SSL"\n{USER}', "SSL shows no user"),
    "certificates on plain text": (f'{BROKER}\nssl_ca_file = "/nowhere"', "PLAINTEXT uses no certificates"),
    "a key without its certificate": (
        f'{BROKER}\nsecurity_protocol = "SSL"\nssl_key_file = "/nowhere"',
        "ssl_key_file is given and ssl_cert_file is not",
    ),
    "no such authority": (f'{BROKER}\nsecurity_protocol = "SSL"\nssl_ca_file = "/nowhere"', "no file /nowhere"),
    "another mechanism": (f'{BROKER}\nsasl_mechanism = "GSSAPI"', "sasl_mechanism: Input should be 'PLAIN'"),
}


@pytest.mark.parametrize("case", REFUSED_BY_KAFKA)
def test_what_does_not_secure_kafka_is_refused_in_words(read: Callable[..., Settings], case: str) -> None:
    """Settings that would leave someone believing that a connection is secured stop the start."""
    content, words = REFUSED_BY_KAFKA[case]

    with pytest.raises(SettingsError) as caught:
        read(content, "kafka")

    assert words in str(caught.value)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_every_secret_has_a_file() -> None:
    """Whatever is secret can come from a file, in every section."""
    sections = [field.annotation for field in Settings.model_fields.values()]
    without = [
        f"{section.__name__}.{name}"
        for section in sections
        if isinstance(section, type) and issubclass(section, Section)
        for name, field in section.model_fields.items()
        if "SecretStr" in str(field.annotation) and f"{name}_file" not in section.model_fields
    ]

    assert without == []


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe" + PASSWORD.encode()], ids=["empty", "blank", "no text"])
def test_a_file_that_holds_no_secret_is_refused(read: Callable[..., Settings], tmp_path: Path, content: bytes) -> None:
    """Its name is said, its content is not."""
    (tmp_path / "password").write_bytes(content)

    with pytest.raises(SettingsError, match=f"password_file: {tmp_path}/password") as caught:
        read(f'url = "{URL}"\nusername = "u"\npassword_file = "{tmp_path}/password"')

    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_a_certificate_that_is_none_is_refused(read: Callable[..., Settings], tmp_path: Path) -> None:
    """A file that is there and holds no certificate stops the start, with the name of the setting."""
    (tmp_path / "ca.pem").write_text("nothing of the kind")
    settings = read(f'url = "{URL}"\nca_file = "{tmp_path}/ca.pem"')

    with pytest.raises(SettingsError, match=r"schema_registry\.ca_file can't be used"):
        build_schema_registry(settings)


def test_the_place_is_the_file_or_the_server(read: Callable[..., Settings]) -> None:
    """What `ready` and the doctor say."""
    assert schema_registry_place(read("")).endswith("registry/schemas.sqlite")
    assert schema_registry_place(read(f'url = "{URL}"')) == URL


def test_a_directory_with_ids_of_its_own_takes_no_server(read: Callable[..., Settings]) -> None:
    """Ids of the file would mean other schemas on the server."""
    build_schema_registry(read("")).register("texts", '"string"')

    with pytest.raises(SettingsError, match=r"schemas\.sqlite holds the ids of before"):
        build_schema_registry(read(f'url = "{URL}"'))


def test_a_directory_with_a_servers_ids_takes_no_file(read: Callable[..., Settings], tmp_path: Path) -> None:
    """Ids of the server would mean other schemas in the file."""
    (tmp_path / "data" / "cache" / "schemas").mkdir(parents=True)

    with pytest.raises(SettingsError, match="holds answers of a server"):
        build_schema_registry(read(""))
