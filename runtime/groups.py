"""The consumer groups of penstock's own processes: the names under which offsets are committed."""


def scorer_group(prefix: str) -> str:
    """The group of every scorer: one lane over all models.

    >>> scorer_group("prod.")
    'prod.penstock.scorer'
    """
    return f"{prefix}penstock.scorer"


def sink_group(prefix: str) -> str:
    """The group of the sink, which writes documents into the store."""
    return f"{prefix}penstock.sink"


def controller_group(prefix: str) -> str:
    """The group of the rollout controller."""
    return f"{prefix}penstock.controller"
