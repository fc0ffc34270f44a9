"""Who may do what on the brokers: the least that each role needs, derived from the catalogue of topics. Pure.

A role is a process of penstock (scorer, sink ...) or somebody outside (producers, consumers,
operators). One user for each role, with these rights and no others, is what `docs/operators.md`
prescribes; the reference page, `penstock topics acls` and the tests are made from this.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from runtime.groups import READER_GROUP, group_of
from schemas.topics import CATALOGUE, TopicKind, Topics

Resource = Literal["topic", "group", "transactional-id"]
Pattern = Literal["literal", "prefixed"]
Operation = Literal["read", "write", "create", "describe", "describe-configs"]

PROCESSES = ("controller", "scorer", "shadow", "outcomes", "monitor", "trainer", "sink")
TRANSACTIONAL = ("controller", "scorer", "shadow", "outcomes", "monitor")
OPERATORS = "operators"
CONSUMERS = "consumers"
EVERY_PROCESS = "every process"
ANY_NAME = "*"
# The outcome lane joins labels that come late: it asks how long predictions are kept before it relies on them.
_SEES: dict[str, tuple[Operation, ...]] = {"outcomes": ("describe", "describe-configs")}
_WORDS: dict[Operation, str] = {
    "read": "Read",
    "write": "Write",
    "create": "Create",
    "describe": "Describe",
    "describe-configs": "DescribeConfigs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One right of one role: operations on the resources of that name, or whose names begin with it."""

    role: str
    resource: Resource
    name: str
    pattern: Pattern = "literal"
    operations: tuple[Operation, ...]


def grants(topics: Topics, models: Iterable[str]) -> list[Grant]:
    """The rights of all roles on the system topics and those of the models.

    >>> [(grant.role, grant.operations) for grant in grants(Topics(), []) if grant.name == "deployments"][:2]
    [('controller', ('write',)), ('controller', ('read',))]
    """
    return [
        *(grant for kind in CATALOGUE for name in _names(topics, kind, models) for grant in _on_topic(kind, name)),
        *_everywhere(topics.prefix),
        *(grant for role in PROCESSES for grant in _of_process(role, topics.prefix)),
    ]


def roles(words: str) -> tuple[str, ...]:
    """The roles in an entry of the catalogue.

    >>> roles("scorer, controller")
    ('scorer', 'controller')
    """
    named = tuple(word.strip() for word in words.split(","))
    return tuple(role for word in named for role in (PROCESSES if word == EVERY_PROCESS else (word,)))


def command_of(grant: Grant, principal: str) -> str:
    """The arguments of Kafka's own tool that give this right; servers and credentials are left to whoever runs it.

    >>> print(command_of(Grant(role="sink", resource="group", name="penstock.sink", operations=("read",)), "User:sink"))
    kafka-acls.sh --add --allow-principal 'User:sink' --operation Read --group 'penstock.sink'
    """
    operations = " ".join(f"--operation {_WORDS[operation]}" for operation in grant.operations)
    pattern = " --resource-pattern-type prefixed" if grant.pattern == "prefixed" else ""
    return (
        f"kafka-acls.sh --add --allow-principal '{principal}' {operations} --{grant.resource} '{grant.name}'{pattern}"
    )


def _names(topics: Topics, kind: TopicKind, models: Iterable[str]) -> Sequence[str]:
    return topics.of_models(kind, models) if kind.per_model else (topics.of(kind),)


def _on_topic(kind: TopicKind, name: str) -> list[Grant]:
    return [
        *(Grant(role=role, resource="topic", name=name, operations=("write",)) for role in roles(kind.owner)),
        *(Grant(role=role, resource="topic", name=name, operations=("read",)) for role in roles(kind.readers)),
    ]


def _everywhere(prefix: str) -> list[Grant]:
    """Processes see which topics there are, operators make them and look at how they are kept, readers have a name."""
    name, pattern = _beginning_with(prefix)
    operators: tuple[Operation, ...] = ("create", "describe", "describe-configs")
    return [
        *(
            Grant(role=role, resource="topic", name=name, pattern=pattern, operations=_SEES.get(role, ("describe",)))
            for role in PROCESSES
        ),
        Grant(role=OPERATORS, resource="topic", name=name, pattern=pattern, operations=operators),
        Grant(role=OPERATORS, resource="group", name=name, pattern=pattern, operations=("describe",)),
        *(
            Grant(role=role, resource="group", name=READER_GROUP, operations=("describe",))
            for role in (*PROCESSES, OPERATORS, CONSUMERS)
        ),
    ]


def _of_process(role: str, prefix: str) -> list[Grant]:
    """A process has a group, and one that writes in transactions has an id for each slot."""
    group = group_of(role, prefix)
    member = Grant(role=role, resource="group", name=group, operations=("read",))
    if role not in TRANSACTIONAL:
        return [member]
    transactions = Grant(
        role=role, resource="transactional-id", name=f"{group}-", pattern="prefixed", operations=("write",)
    )
    return [member, transactions]


def _beginning_with(prefix: str) -> tuple[str, Pattern]:
    """All names with that prefix; brokers spell all names at all as a literal asterisk."""
    return (prefix, "prefixed") if prefix else (ANY_NAME, "literal")
