"""The page of results, put together from the parts that each benchmark writes by itself."""

from benchmarks.contender import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
LANE = ""
"""The name of the part that has no heading of its own: the page begins with it."""
CANARY_HEADING = "## A canary"
SHADOW_HEADING = "## A shadow that crawls or crashes"
STORE_HEADING = "## Writing to Elasticsearch"
OUTCOMES_HEADING = "## Joining labels"
HEADINGS = (CANARY_HEADING, SHADOW_HEADING, STORE_HEADING, OUTCOMES_HEADING)


def write_part(heading: str, part: str) -> None:
    """Write one part anew; it begins with its heading, and the others stay."""
    assert part.startswith(heading), "a part is found again by its heading"
    parts = {**parts_of(_present()), heading: part}
    PAGE.write_text(joined(*(parts.get(name, "") for name in (LANE, *HEADINGS))), encoding="utf-8")


def parts_of(page: str) -> dict[str, str]:
    r"""The parts by their headings.

    >>> parts_of("# a\n\nb\n\n## A canary\n\nd\n")
    {'': '# a\n\nb\n\n', '## A canary': '## A canary\n\nd\n'}
    """
    parts, name = {LANE: ""}, LANE
    for line in page.splitlines(keepends=True):
        name = line.strip() if line.strip() in HEADINGS else name
        parts[name] = parts.get(name, "") + line
    return parts


def split(page: str, heading: str) -> tuple[str, str]:
    r"""What comes before a heading, and what begins with it.

    >>> split("# a\n\nb\n\n## c\n\nd\n", "## c")
    ('# a\n\nb\n\n', '## c\n\nd\n')
    >>> split("# a\n", "## c")
    ('# a\n', '')
    """
    before, found, after = page.partition(heading)
    return before, f"{found}{after}"


def joined(*parts: str) -> str:
    """What there is of the parts, one empty line between them."""
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _present() -> str:
    return PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
