"""Documents are whole: links lead somewhere, everything that can be named is named, nothing is stale."""

import re
import tomllib
from pathlib import Path

import pytest

from benchmarks.rollout_figures import FALSE_DECISIONS, POWER
from benchmarks.rollout_results import RESULTS, decode, digest_of
from consumers.coverage import FindingKind
from docs.pages.cli import commands
from docs.pages.settings import setting_names
from docs.reference import FOLDER, stale
from penstock.roles import ROLES
from runtime.metrics import METRICS, Metric
from schemas.events import EVENT_TYPES
from schemas.reasons import Reason
from tests.house.command_lines import commands_in, fault_of
from tests.house.sources import ROOT, pages, prose

LINK = re.compile(r"\[[^\]]+\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?P<words>.+)$")
TWO_SENTENCES = re.compile(r"[a-z`)]\. [A-Z`]")
MAKE_TARGET = re.compile(r"\bmake ([a-z][a-z-]+)")
SECTIONS = sorted({name.rpartition(".")[0] for name in setting_names() if "." in name})
DOTTED_SETTING = re.compile(rf"`((?:{'|'.join(map(re.escape, SECTIONS))})\.(?!sqlite)[a-z_]+)`")
OPERATORS = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
PAGES = [path.relative_to(ROOT).as_posix() for path in pages()]


def test_reference_pages_are_fresh() -> None:
    """The generated pages say what the code says now."""
    assert stale(FOLDER) == []


@pytest.mark.parametrize("figure", [FALSE_DECISIONS, POWER], ids=lambda path: path.name)
def test_figures_of_rollouts_are_drawn_from_the_results_that_are_kept(figure: Path) -> None:
    """Whoever measures anew draws anew; the tables beside them are checked with the reference pages."""
    digest = digest_of(decode(RESULTS.read_bytes()))

    assert f"<dc:description>{digest}</dc:description>" in figure.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Every relative link names a file that is there, and a heading that is in it."""
    path = ROOT / page
    broken = [
        match["target"]
        for _, line in prose(path.read_text(encoding="utf-8"))
        for match in LINK.finditer(line)
        if not _leads_somewhere(path, match["target"])
    ]

    assert broken == []


@pytest.mark.parametrize("page", PAGES)
def test_prose_has_one_sentence_a_line(page: str) -> None:
    """Changes to prose show as changed sentences."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [number for number, line in prose(text) if TWO_SENTENCES.search(line) and not line.startswith("|")]

    assert found == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_documents_exist(page: str) -> None:
    """Every `penstock` command that a document shows is one that the command line understands."""
    faults = [
        f"{line}: {fault}"
        for line in commands_in((ROOT / page).read_text(encoding="utf-8"))
        if (fault := fault_of(line))
    ]

    assert faults == []


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_in_documents_exist(page: str) -> None:
    """Every `make ...` that a document names is in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    code = re.findall(r"`[^`\n]+`|^make \S+", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    named = {target for each in code for target in MAKE_TARGET.findall(each)}

    assert named - targets == set()


@pytest.mark.parametrize("page", PAGES)
def test_settings_in_documents_exist(page: str) -> None:
    """Every setting that a document names can be set."""
    named = set(DOTTED_SETTING.findall((ROOT / page).read_text(encoding="utf-8")))

    assert named - set(setting_names()) == set()


def test_every_command_is_documented() -> None:
    """The reference of the command line has a heading for each command."""
    text = (FOLDER / "reference" / "cli.md").read_text(encoding="utf-8")
    missing = [context.command_path for context in commands() if f"# {context.command_path}\n" not in text]

    assert missing == []


def test_every_setting_is_documented() -> None:
    """The reference of settings has each one's environment variable."""
    text = (FOLDER / "reference" / "settings.md").read_text(encoding="utf-8")
    missing = [name for name in setting_names() if f"`{name.rsplit('.')[-1]}`" not in text]

    assert missing == []


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_documented(reason: Reason) -> None:
    """The reference of reasons has each code with its remedy."""
    assert f"| `{reason.value}` |" in (FOLDER / "reference" / "reasons.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_is_documented(metric: Metric) -> None:
    """The reference of metrics has each one with its meaning."""
    assert f"| `{metric.name}` |" in (FOLDER / "reference" / "metrics.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda event_type: event_type.__name__)
def test_every_event_is_documented(event_type: type) -> None:
    """The reference of events has a heading for each."""
    assert f"### {event_type.__name__}\n" in (FOLDER / "reference" / "events.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", list(FindingKind))
def test_every_finding_of_the_ledger_has_its_remedy(kind: FindingKind) -> None:
    """Operators read what each finding means and what to do."""
    assert f"| `{kind.value}` |" in OPERATORS


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_role_is_described(role: str) -> None:
    """The architecture page names each process, the operators' page what its death means."""
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

    assert f"| `{role}` |" in architecture
    assert role in OPERATORS


def test_every_dependency_has_its_reason() -> None:
    """docs/dependencies.md lists exactly what pyproject.toml does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [
        *project["dependencies"],
        *(each for group in project["optional-dependencies"].values() for each in group),
    ]
    names = {re.split(r"[<>=!~ \[]", each, maxsplit=1)[0] for each in declared}
    listed = re.findall(r"^\| `([a-z0-9_-]+)` \|", (ROOT / "docs" / "dependencies.md").read_text("utf-8"), re.MULTILINE)

    assert sorted(listed) == sorted(names)


def test_decisions_are_numbered_and_listed() -> None:
    """Decision records have consecutive numbers, and the index names each."""
    folder = ROOT / "docs" / "decisions"
    records = sorted(path.name for path in folder.glob("[0-9]*.md"))
    index = (folder / "README.md").read_text(encoding="utf-8")

    assert [name[:4] for name in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    assert [name for name in records if f"({name})" not in index] == []


def _leads_somewhere(page: Path, target: str) -> bool:
    if target.startswith(("https://", "http://")):
        return True
    file, _, anchor = target.partition("#")
    path = (page.parent / file).resolve() if file else page
    if not path.exists():
        return False
    return not anchor or anchor in {_anchor(line) for _, line in prose(path.read_text(encoding="utf-8"))}


def _anchor(line: str) -> str | None:
    """The anchor that a heading gets on common hosts, None for other lines."""
    match = HEADING.match(line)
    return None if match is None else re.sub(r"[^\w\- ]", "", match["words"].lower()).replace(" ", "-")
