"""What holds for every test: markers by folder, and a loud word about what a run did not prove."""

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.house.promtool import NOT_CHECKED
from tests.services.elasticsearch_server import ElasticsearchServer
from tests.services.faults import HITS
from tests.services.prerequisites import REGISTRY, missing_for_registry, missing_for_servers
from tests.services.registry_server import RegistryServer

SERVICES = Path(__file__).parent / "services"
# Whole stacks of processes run here, so that a machine which is busy elsewhere can starve a test of them.
STACKS = (SERVICES, Path(__file__).parent / "penstock")
NOT_RUN = pytest.StashKey[dict[str, tuple[str, ...]]]()


# How long an example takes says more of what else the machine does than of the code.
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NOT_RUN] = {}
    config.stash[HITS] = []
    config.stash[NOT_CHECKED] = set()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SERVICES in item.path.parents:
            item.add_marker(pytest.mark.services)
        if any(folder in item.path.parents for folder in STACKS):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a real server where none can run; in CI that is a failure."""
    missing = missing_for(item)
    if not missing:
        return
    if _in_ci():
        pytest.fail(f"in CI every service must run: install {' and '.join(missing)}", pytrace=False)
    item.config.stash[NOT_RUN][item.nodeid] = missing
    pytest.skip(f"needs {' and '.join(missing)}")


def missing_for(item: pytest.Item) -> tuple[str, ...]:
    """What this machine lacks for a test; `services(REGISTRY)` asks for more than the others need."""
    marks = list(item.iter_markers("services"))
    if any(REGISTRY in mark.args for mark in marks):
        return tuple(dict.fromkeys((*missing_for_servers(), *missing_for_registry())))
    return missing_for_servers() if marks else ()


@pytest.fixture(scope="session")
def registry_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """One schema registry for the whole test run, for whoever marks a test `services(REGISTRY)`."""
    server = RegistryServer(data_dir=tmp_path_factory.mktemp("schema-registry"))
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.data_dir, ignore_errors=True)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, object, object]:
    """Say last, where it is read, what this run did not prove."""
    result = yield
    for line in config.stash[HITS]:
        terminalreporter.write_line(f"fault that hit: {line}")
    _announce_second_tries(terminalreporter)
    _announce(terminalreporter, config.stash[NOT_RUN])
    not_checked: set[str] = config.stash[NOT_CHECKED]
    for tool in sorted(not_checked):
        terminalreporter.write_line(f"ALERTS AND METRICS WERE NOT JUDGED: INSTALL {tool.upper()}", red=True, bold=True)
    return result


@pytest.fixture(scope="session")
def elasticsearch() -> Iterator[ElasticsearchServer]:
    """One node for the whole test run, for whoever marks a test `services`; its data goes with it."""
    server = ElasticsearchServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
        server.remove()


def _announce_second_tries(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what failed once and passed when it was run again: it is not well, whatever the run's verdict is."""
    retried: list[pytest.TestReport] = terminalreporter.stats.get("rerun", [])
    if not retried:
        return
    terminalreporter.write_sep("!", "FAILED ONCE AND WERE RUN AGAIN", yellow=True, bold=True)
    for report in retried:
        terminalreporter.write_line(f"{report.nodeid} ({report.when})", yellow=True, bold=True)
        terminalreporter.write_line(report.longreprtext)


def _announce(terminalreporter: pytest.TerminalReporter, not_run: dict[str, tuple[str, ...]]) -> None:
    if not not_run:
        return
    terminalreporter.write_sep("!", "NOT PROVEN", red=True, bold=True)
    among = ", AMONG THEM ALL THAT PROVE EXACTLY-ONCE" if missing_for_servers() else ""
    terminalreporter.write_line(f"{len(not_run)} TESTS ON REAL SERVERS WERE NOT RUN{among}.", red=True, bold=True)
    for what in dict.fromkeys(each for missing in not_run.values() for each in missing):
        terminalreporter.write_line(f"INSTALL {what.upper()}", red=True, bold=True)


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}
