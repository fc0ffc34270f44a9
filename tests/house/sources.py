"""The repository's own files, as the house tests look at them.

In: nothing but the checkout. Out: Python sources with their syntax trees, and Markdown pages.
Generated folders and virtual environments are never looked at.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("schemas", "runtime", "registry", "producers", "streams", "consumers", "penstock")
CODE = (*ROOMS, "tests", "benchmarks", "docs")
PROSE = ("docs", "benchmarks", "deploy")


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its path from the root, its text, its syntax tree and what it imports anywhere."""

    path: str
    text: str
    tree: ast.Module
    imports: frozenset[str]

    @property
    def in_room(self) -> bool:
        return self.path.split("/", 1)[0] in ROOMS


def sources() -> list[Source]:
    """Every Python file of the repository, sorted by path."""
    return [_source(path) for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))]


def pages() -> list[Path]:
    """Every Markdown page of the repository."""
    return sorted([*ROOT.glob("*.md"), *(path for folder in PROSE for path in (ROOT / folder).rglob("*.md"))])


def prose(text: str) -> Iterator[tuple[int, str]]:
    r"""Numbered lines of a page outside fenced blocks.

    >>> list(prose("a\n```\nb\n```\nc"))
    [(1, 'a'), (5, 'c')]
    """
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def fenced_blocks(text: str) -> Iterator[tuple[str, str]]:
    r"""Language and content of each fenced block.

    >>> list(fenced_blocks("```sh\nls\n```"))
    [('sh', 'ls')]
    """
    language: str | None = None
    lines: list[str] = []
    for line in text.splitlines():
        mark = line.strip()
        if mark.startswith("```"):
            if language is None:
                language, lines = mark.removeprefix("```"), []
            else:
                yield language, "\n".join(lines)
                language = None
        elif language is not None:
            lines.append(line)


def _source(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    return Source(path.relative_to(ROOT).as_posix(), text, tree, frozenset(_imports(tree)))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
