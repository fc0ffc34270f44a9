"""The examples in docstrings run and give what they say."""

import doctest
from importlib import import_module

import pytest

from tests.house.sources import sources

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
WITH_EXAMPLES = [
    source.path for source in sources() if ">>> " in source.text and not source.path.endswith("test_examples.py")
]


@pytest.mark.parametrize("path", WITH_EXAMPLES)
def test_examples_give_what_they_say(path: str) -> None:
    """Every example in the module's docstrings holds."""
    module = import_module(path.removesuffix("/__init__.py").removesuffix(".py").replace("/", "."))

    results = doctest.testmod(module, optionflags=FLAGS)

    assert results.attempted > 0
    assert results.failed == 0
