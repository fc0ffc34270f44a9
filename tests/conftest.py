"""What holds for every test: markers by folder, and a loud word about services that could not run."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.services.elasticsearch_server import ElasticsearchServer
from tests.services.faults import HITS
from tests.services.prerequisites import missing_for_servers

SERVICES = Path(__file__).parent / "services"
NOT_RUN = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NOT_RUN] = []
    config.stash[HITS] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SERVICES in item.path.parents:
            item.add_marker(pytest.mark.services)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a real server where none can run; in CI that is a failure."""
    if item.get_closest_marker("services") is None:
        return
    missing = missing_for_servers()
    if not missing:
        return
    if _in_ci():
        pytest.fail(f"in CI every service must run: install {' and '.join(missing)}", pytrace=False)
    item.config.stash[NOT_RUN].append(item.nodeid)
    pytest.skip(f"needs {' and '.join(missing)}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, object, object]:
    """Say last, where it is read, what this run did not prove."""
    result = yield
    for line in config.stash[HITS]:
        terminalreporter.write_line(f"fault that hit: {line}")
    _announce(terminalreporter, config.stash[NOT_RUN])
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


def _announce(terminalreporter: pytest.TerminalReporter, not_run: list[str]) -> None:
    if not not_run:
        return
    terminalreporter.write_sep("!", "NOT PROVEN", red=True, bold=True)
    terminalreporter.write_line(
        f"{len(not_run)} TESTS ON REAL SERVERS WERE NOT RUN, AMONG THEM ALL THAT PROVE EXACTLY-ONCE.",
        red=True,
        bold=True,
    )
    for what in missing_for_servers():
        terminalreporter.write_line(f"INSTALL {what.upper()}", red=True, bold=True)


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}
