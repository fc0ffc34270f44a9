"""The lines that penstock's own code may log, from a warning on, read from its source."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tests.house.sources import sources

LEVELS = {"warning", "error", "exception", "critical"}


@dataclass(frozen=True, slots=True)
class LogCall:
    """A line that the code may say: how serious, what, and where in the code."""

    level: str
    event: str
    place: str


def log_calls() -> Iterator[LogCall]:
    """Every line from a warning on that some room says, an event for each branch of a choice."""
    for source in sources():
        if source.in_room:
            for node in ast.walk(source.tree):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                    logger = node.func.value
                    if isinstance(logger, ast.Name) and logger.id == "_log":
                        for event in _events(node.args[0]):
                            yield LogCall(node.func.attr, event, f"{source.path}:{node.lineno}")


def _events(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _events(node.body)
        yield from _events(node.orelse)
    else:
        assert isinstance(node, ast.Constant), (
            f"an event is a constant, so that it can be looked up: {ast.unparse(node)}"
        )
        yield str(node.value)
