"""Sections of pages that people write: what stands between two marks is put there by a program. Pure text."""


def with_section(text: str, name: str, content: str) -> str:
    r"""The text with what is between the marks of that name replaced.

    >>> print(with_section("a\n<!-- b: by hand never -->\nold\n<!-- end of b -->\nc", "b", "new"))
    a
    <!-- b: by hand never -->
    new
    <!-- end of b -->
    c
    """
    before, opening, rest = text.partition(f"<!-- {name}: ")
    mark, _, inside = rest.partition("\n")
    _old, closing, after = inside.partition(f"<!-- end of {name} -->")
    assert opening, f"the page has no mark for {name}"
    assert closing, f"the section {name} has no end"
    return f"{before}{opening}{mark}\n{content.strip()}\n{closing}{after}"
