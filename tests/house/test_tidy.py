"""House style that a program can see; what needs judgment is left to readers."""

import ast
import re
import sys

import pytest

from docs.pages.settings import setting_names
from tests.house.sources import ROOMS, ROOT, Source, sources

FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "manager", "core", "types", "base"}
NAME_EXCEPTIONS = {"consumers/sinks/base.py"}
TREE_DRAWING = frozenset("\u251c\u2500\u2514\u2502")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b|raise NotImplemented" r"Error")
BRITISH = re.compile(
    r"\b\w*(behaviour|colour|neighbour|favour|honour|serialis|normalis|tokenis|organis|recognis|optimis|summaris|licence)",
    re.IGNORECASE,
)
TYPE_IGNORE = re.compile(r"#\s*type:\s*ignore(?P<code>\[[\w, -]+\])?(?P<reason>\s+#\s*\S.*)?")
DOORS: dict[str, tuple[str, ...]] = {
    "confluent_kafka": ("runtime/", "consumers/", "producers/", "penstock/", "tests/", "benchmarks/"),
    "fastavro": ("schemas/", "tests/", "benchmarks/"),
    "pyruhvro": ("schemas/", "tests/", "benchmarks/"),
    "sklearn": ("registry/", "penstock/demo/", "tests/", "benchmarks/"),
    "skops": ("registry/", "penstock/demo/", "tests/", "benchmarks/"),
    "faust": ("streams/faust_app.py", "tests/", "benchmarks/"),
    "prometheus_client": ("runtime/metrics.py", "tests/"),
    "river": ("streams/drift/detectors.py", "tests/", "benchmarks/"),
    "elasticsearch": ("consumers/sinks/elasticsearch", "consumers/searches.py", "tests/", "benchmarks/"),
    "urllib3": ("schemas/registry_api.py", "tests/"),
}
DECISIONS = (
    "consumers/coverage.py",
    "consumers/documents.py",
    "consumers/ledger.py",
    "consumers/search_rows.py",
    "consumers/sinks/elasticsearch_bulk.py",
    "consumers/sinks/elasticsearch_mappings.py",
    "consumers/sinks/elasticsearch_names.py",
    "consumers/sinks/repeats.py",
    "consumers/sinks/shape.py",
    "consumers/trainer/answers.py",
    "consumers/trainer/requests.py",
    "consumers/trainer/verdict.py",
    "consumers/trainer/window.py",
    "producers/pacing.py",
    "registry/binning.py",
    "streams/drift/blocks.py",
    "streams/drift/calibration.py",
    "streams/drift/causes.py",
    "streams/drift/chi_square.py",
    "streams/drift/detector.py",
    "streams/drift/e_detector.py",
    "streams/drift/learning.py",
    "streams/drift/loss_signals.py",
    "streams/drift/losses.py",
    "streams/drift/references.py",
    "streams/drift/request_rate.py",
    "streams/drift/signals.py",
    "streams/drift/version_watch.py",
    "streams/drift/watches.py",
    "streams/rollout/acting.py",
    "streams/rollout/decisions.py",
    "streams/rollout/restraints.py",
    "streams/rollout/standings.py",
    "streams/scoring/bisection.py",
    "streams/scoring/routing.py",
    "streams/scoring/scorer.py",
    "streams/scoring/stretch.py",
    "streams/scoring/validation.py",
)
IMPURE = {
    *DOORS,
    *("asyncio", "concurrent", "os", "random", "secrets", "socket", "sqlite3", "structlog", "subprocess"),
    *("threading", "time", "uuid"),
}
IMPURE_CALLS = re.compile(r"\b(datetime\.now|date\.today|np\.random|Path\.cwd|environ)\b")
PROPERTY_NAME = re.compile(
    r"(bootstrap\.servers|group\.id|transactional\.id|isolation\.level|enable\.\w+(\.\w+)*|auto\.offset\.reset"
    r"|session\.timeout\.ms|max\.poll\.interval\.ms|linger\.ms|partition\.assignment\.strategy|acks)"
)


@pytest.fixture(scope="module")
def code() -> list[Source]:
    return sources()


def test_modules_are_named_for_what_they_hold(code: list[Source]) -> None:
    """No module is a drawer (utils, helpers) and none shadows a module of the standard library."""
    wrong = []
    for source in code:
        name = source.path.rsplit("/", 1)[-1].removesuffix(".py")
        standard = source.in_room and name in sys.stdlib_module_names
        if (name in FORBIDDEN_NAMES or standard) and source.path not in NAME_EXCEPTIONS:
            wrong.append(source.path)

    assert wrong == []


def test_every_module_says_what_it_is_for(code: list[Source]) -> None:
    """Each module of the rooms opens with a docstring."""
    silent = [source.path for source in code if source.in_room and not ast.get_docstring(source.tree)]

    assert silent == []


def test_nothing_is_left_unfinished(code: list[Source]) -> None:
    """Notes to self and unwritten methods do not reach the main branch."""
    found = [f"{source.path}:{line}" for source in code for line in _lines(source, UNFINISHED)]

    assert found == []


def test_code_is_plain_text(code: list[Source]) -> None:
    """Code is ASCII, but for the lines of a tree drawn in an errors module."""
    found = []
    for source in code:
        allowed = TREE_DRAWING if source.path.endswith("errors.py") else frozenset()
        strangers = {character for character in source.text if not character.isascii()} - allowed
        found += [f"{source.path}: {character!a}" for character in sorted(strangers)]

    assert found == []


def test_spelling_is_american(code: list[Source]) -> None:
    """Code and its documentation spell alike."""
    own = "tests/house/test_tidy.py"
    found = [f"{source.path}:{line}" for source in code if source.path != own for line in _lines(source, BRITISH)]

    assert found == []


def test_nothing_is_mocked(code: list[Source]) -> None:
    """Tests use the parts that are shipped, with faults as data."""
    found = [source.path for source in code if any(name.startswith("unittest") for name in source.imports)]

    assert found == []


@pytest.mark.parametrize("library", sorted(DOORS))
def test_each_client_library_has_its_doors(code: list[Source], library: str) -> None:
    """A library is imported where the table says, so that replacing it stays a small change."""
    users = [source.path for source in code if any(_root(name) == library for name in source.imports)]
    strangers = [path for path in users if not path.startswith(DOORS[library] or ("no room",))]

    assert strangers == []


def test_kafka_properties_are_spelled_in_one_place(code: list[Source]) -> None:
    """No room but runtime/kafka.py writes the name of a librdkafka property."""
    found = [
        f"{source.path}:{node.lineno}: {node.value}"
        for source in code
        if source.in_room and source.path != "runtime/kafka.py"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and PROPERTY_NAME.fullmatch(node.value)
    ]

    assert found == []


def test_decisions_are_pure(code: list[Source]) -> None:
    """Modules that decide import no client, clock, thread, environment or chance."""
    by_path = {source.path: source for source in code}
    found = []
    for path in DECISIONS:
        source = by_path[path]
        found += [f"{path}: {name}" for name in sorted(source.imports) if _root(name) in IMPURE]
        found += [f"{path}:{line}" for line in _lines(source, IMPURE_CALLS)]

    assert found == []


def test_ignored_type_errors_have_a_code_and_a_reason(code: list[Source]) -> None:
    """`type: ignore` says which error and why it is right to ignore it."""
    own = "tests/house/test_tidy.py"
    found = []
    for source in code:
        for number, line in enumerate(source.text.splitlines(), 1):
            match = TYPE_IGNORE.search(line)
            if match and source.path != own and not (match["code"] and match["reason"]):
                found.append(f"{source.path}:{number}")

    assert found == []


def test_every_test_says_its_behavior_in_a_sentence(code: list[Source]) -> None:
    """A test's docstring is what a reader of a failure sees first."""
    silent = []
    for source in code:
        if not source.path.rsplit("/", 1)[-1].startswith("test_"):
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                words = ast.get_docstring(node) or ""
                if not words.rstrip().endswith((".", ".`")):
                    silent.append(f"{source.path}:{node.lineno} {node.name}")

    assert silent == []


@pytest.mark.parametrize("name", list(setting_names()))
def test_every_setting_is_read(code: list[Source], name: str) -> None:
    """A setting that nothing reads would be a promise that nothing keeps."""
    # A secret's file is read where settings are parsed; what was in it must be read elsewhere.
    secret = name.removesuffix("_file")
    leaf = re.compile(rf"\b{(secret if secret in setting_names() else name).rsplit('.', maxsplit=1)[-1]}\b")
    readers = [
        source.path
        for source in code
        if source.in_room and source.path != "runtime/settings.py" and leaf.search(source.text)
    ]

    assert readers != []


def test_rooms_are_typed_for_others() -> None:
    """Each room carries the mark that tells type checkers to read its annotations."""
    unmarked = [room for room in ROOMS if not (ROOT / room / "py.typed").is_file()]

    assert unmarked == []


def _lines(source: Source, pattern: re.Pattern[str]) -> list[str]:
    return [f"{number}" for number, line in enumerate(source.text.splitlines(), 1) if pattern.search(line)]


def _root(name: str) -> str:
    return name.split(".", 1)[0]
