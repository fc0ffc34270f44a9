"""The page of settings: every section and key, from the classes that parse them."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from docs.pages.markdown import block, code, page, sentences, table
from runtime.settings import Section, Settings

_INTRO = """
Settings are read from the file that `--config` names, in TOML.
An environment variable goes over the file, an option of the command line over both.
A variable is named `PENSTOCK_<NAME>` or, inside a section, `PENSTOCK_<SECTION>__<NAME>`.
An unknown key is refused, and so is a value out of bounds: the message names the key.
"""
_EXAMPLE = """
workers = 4

[kafka]
bootstrap_servers = "kafka-1:9092,kafka-2:9092"

[topics]
prefix = "prod."
replication_factor = 3
"""
_COLUMNS = ("key", "kind", "default", "what it does", "environment variable")


def settings_page() -> str:
    """Every setting with its kind, default, meaning and environment variable."""
    top = [_row(name, field, "") for name, field in Settings.model_fields.items() if _section_of(field) is None]
    return page(
        "Settings",
        _INTRO,
        block(_EXAMPLE.strip(), "toml"),
        "## Top level",
        table(_COLUMNS, top),
        *_sections(Settings, prefix="", heading="##"),
    )


def setting_names() -> Iterator[str]:
    """Dotted names of all settings."""
    return _names(Settings, prefix="")


def variable_of(name: str) -> str:
    """The environment variable of a setting.

    >>> variable_of("kafka.bootstrap_servers")
    'PENSTOCK_KAFKA__BOOTSTRAP_SERVERS'
    """
    return "PENSTOCK_" + name.replace(".", "__").upper()


def _names(model: type[BaseModel], *, prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        section = _section_of(field)
        if section is None:
            yield prefix + name
        else:
            yield from _names(section, prefix=f"{prefix}{name}.")


def _sections(model: type[BaseModel], *, prefix: str, heading: str) -> Iterator[str]:
    """Headings, meanings and tables of the sections within, and of theirs one level below."""
    for name, field in model.model_fields.items():
        section = _section_of(field)
        if section is None:
            continue
        yield f"{heading} {prefix}{name}"
        yield sentences(section.__doc__ or "")
        inner = f"{prefix}{name}."
        rows = [_row(key, each, inner) for key, each in section.model_fields.items() if _section_of(each) is None]
        if rows:
            yield table(_COLUMNS, rows)
        yield from _sections(section, prefix=inner, heading=f"{heading}#")


def _section_of(field: FieldInfo) -> type[Section] | None:
    annotation = field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def _row(name: str, field: FieldInfo, prefix: str) -> tuple[str, ...]:
    kind = _kind(field.annotation)
    bounds = _bounds(field.metadata)
    return (
        code(name),
        f"{kind}, {bounds}" if bounds else kind,
        _default(field.default),
        field.description or "",
        code(variable_of(prefix + name)),
    )


def _kind(annotation: Any) -> str:
    """An annotation in words for people who do not read Python."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(inner[0])
    if origin is Literal:
        return " or ".join(code(value) for value in inner)
    if origin is UnionType:
        return " or ".join(_kind(each) for each in inner if each is not NoneType) + ", or none"
    if origin is tuple:
        return f"list of {_kind(inner[0])}"
    if origin is dict:
        return f"table of {_kind(inner[1])} by {_kind(inner[0])}"
    names = {
        "str": "text",
        "int": "whole number",
        "float": "number",
        "bool": "true or false",
        "Path": "path",
        SecretStr.__name__: "secret text",
    }
    return names[annotation.__name__]


def _bounds(metadata: list[Any]) -> str:
    signs = (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most"))
    words = [
        f"{word} {getattr(each, sign):,}"
        for each in metadata
        for sign, word in signs
        if getattr(each, sign, None) is not None
    ]
    patterns = [f"matching {code(each.pattern)}" for each in metadata if getattr(each, "pattern", None)]
    return ", ".join([*words, *patterns])


def _default(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return code(f"{value:_}" if value >= 10_000 else value)
    if isinstance(value, bool):
        return code(str(value).lower())
    if value in ("", (), {}):
        return "empty"
    return code(value)
