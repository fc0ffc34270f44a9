"""The page of results, put together from the parts that each benchmark writes by itself."""

from benchmarks.contender import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
STORE_HEADING = "## Writing to Elasticsearch"
OUTCOMES_HEADING = "## Joining labels"
"""The last part."""


def write_lane_part(part: str) -> None:
    """Write everything before the store's part anew."""
    _, kept = split(_present(), STORE_HEADING)
    PAGE.write_text(joined(part, kept), encoding="utf-8")


def write_store_part(part: str) -> None:
    """Write the store's part anew; it begins with its heading."""
    assert part.startswith(STORE_HEADING), "a part is found again by its heading"
    page, outcomes = split(_present(), OUTCOMES_HEADING)
    kept, _ = split(page, STORE_HEADING)
    PAGE.write_text(joined(joined(kept, part), outcomes), encoding="utf-8")


def write_outcomes_part(part: str) -> None:
    """Write the part of the outcome lane anew; it begins with its heading."""
    assert part.startswith(OUTCOMES_HEADING), "a part is found again by its heading"
    kept, _ = split(_present(), OUTCOMES_HEADING)
    PAGE.write_text(joined(kept, part), encoding="utf-8")


def split(page: str, heading: str) -> tuple[str, str]:
    r"""What comes before a heading, and what begins with it.

    >>> split("# a\n\nb\n\n## c\n\nd\n", "## c")
    ('# a\n\nb\n\n', '## c\n\nd\n')
    >>> split("# a\n", "## c")
    ('# a\n', '')
    """
    before, found, after = page.partition(heading)
    return before, f"{found}{after}"


def joined(first: str, second: str) -> str:
    """Two parts with one empty line between them."""
    return "\n\n".join(part.strip() for part in (first, second) if part.strip()) + "\n"


def _present() -> str:
    return PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
