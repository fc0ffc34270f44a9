"""The consumer groups of penstock's own processes: the names under which offsets are committed."""

READER_GROUP = "penstock.reader"
"""What readers call themselves that join no group and commit nothing: the client wants a name, and looks it up."""


def group_of(role: str, prefix: str) -> str:
    """The group of every process of that role.

    >>> group_of("scorer", "prod.")
    'prod.penstock.scorer'
    """
    return f"{prefix}penstock.{role}"


def scorer_group(prefix: str) -> str:
    """The group of every scorer: one lane over all models."""
    return group_of("scorer", prefix)


def outcomes_group(prefix: str) -> str:
    """The group of the outcome lane, which joins predictions and labels."""
    return group_of("outcomes", prefix)


def shadow_group(prefix: str) -> str:
    """The group of the shadow lane, which scores without serving."""
    return group_of("shadow", prefix)


def sink_group(prefix: str) -> str:
    """The group of the sink, which writes documents into the store."""
    return group_of("sink", prefix)


def monitor_group(prefix: str) -> str:
    """The group of the monitor, which watches profiles and losses."""
    return group_of("monitor", prefix)


def controller_group(prefix: str) -> str:
    """The group of the rollout controller."""
    return group_of("controller", prefix)
