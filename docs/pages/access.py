"""The page of rights: who may write and read which topic, join which group, and use which transactional id."""

import json

from consumers.sinks.elasticsearch_rights import Rights, store_rights
from docs.pages.markdown import block, code, page, sentences, table
from runtime.access import ANY_NAME, PROCESSES, TRANSACTIONAL, Grant, grants
from runtime.groups import READER_GROUP, group_of
from schemas.topics import CATALOGUE, Topics

_INTRO = """
The least that each role needs on brokers that hold users to rights.
It is derived from the catalogue of topics in `schemas/topics.py`, by `runtime/access.py`.
`penstock topics acls NAME` prints these rights as commands of Kafka's own tool, and gives them with `--apply`.
`MODEL` stands for each model, and `topics.prefix` stands before every name.
Some roles are no process of penstock: producers of requests and labels, consumers of predictions, and operators,
who use the `penstock` command.
"""
_TOPICS = "Writing includes seeing that the topic is there, and so does reading."
_EVERYWHERE = """
Processes see which topics there are, so that they find a new model's within seconds and know that none is missing.
Operators make topics and see how far groups have come.
"""
_READERS = f"""
All of these, and consumers, may also describe the group `{READER_GROUP}`.
Nobody is in it: a reader without a group of its own has this name, since Kafka's client wants one.
"""
_GROUPS = """
A process that writes in transactions has a transactional id for each slot: the group's name and the slot's number.
Consumers have groups of their own, which are theirs to be granted.
"""


_STORE = """
What a role of each name may on the indices that begin with `store.index_prefix`, `penstock` unless that is set.
The same is the descriptor of an API key: `role_descriptors` holds it under any name.
Whoever uses the `penstock` command only to ask is an analyst.
Operators also set templates up and delete months that are over.
"""


def access_page() -> str:
    """Rights by topic, and those on everything else."""
    found = grants(Topics(), ["MODEL"])
    names = [f"MODEL.{kind.name}" if kind.per_model else kind.name for kind in CATALOGUE]
    return page(
        "Access",
        _INTRO,
        "## Topics",
        _TOPICS,
        table(("topic", "written by", "read by"), [_topic(name, found) for name in names]),
        "## All topics and groups",
        sentences(_EVERYWHERE),
        table(("role", "on every", "may"), [_wide(grant) for grant in found if grant.name == ANY_NAME]),
        sentences(_READERS),
        "## Groups and transactional ids",
        sentences(_GROUPS),
        table(("role", "group", "transactional ids that begin with"), [_process(role, found) for role in PROCESSES]),
        "## Elasticsearch",
        sentences(_STORE),
        *(part for role, rights in store_rights("penstock").items() for part in _store(role, rights)),
    )


def _store(role: str, rights: Rights) -> tuple[str, str]:
    return (f"### {role}", block(json.dumps(rights, indent=2), "json"))


def _topic(name: str, found: list[Grant]) -> tuple[str, ...]:
    return (code(name), _roles(name, "write", found), _roles(name, "read", found))


def _roles(name: str, operation: str, found: list[Grant]) -> str:
    named = [grant.role for grant in found if grant.name == name and operation in grant.operations]
    return ", ".join(dict.fromkeys(named))


def _wide(grant: Grant) -> tuple[str, ...]:
    return (grant.role, grant.resource, ", ".join(grant.operations))


def _process(role: str, found: list[Grant]) -> tuple[str, ...]:
    (group,) = (grant.name for grant in found if grant.role == role and grant.name == group_of(role, ""))
    return (role, code(group), code(f"{group}-") if role in TRANSACTIONAL else "")
