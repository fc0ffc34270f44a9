"""`make demo-real`: the demo on real Kafka, Elasticsearch and a real schema registry, with two scorers, exactly once.

The same story as `penstock demo`, on the servers that the tests use; in its last quarter one scorer
is killed with -9. Ends with 0 only if everything arrived once and the ledger balances, and leaves
nothing running.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import click
from rich.console import Console

from penstock.demo.performance import DemoPlan
from penstock.demo.run import end_in_order, run_demo
from penstock.demo.scene import fresh_directory
from penstock.room_errors import ROOM_ERRORS
from runtime.settings import Settings, load_settings
from tests.services.elasticsearch_server import ElasticsearchServer
from tests.services.errors import ServiceMissingError, ServicesError
from tests.services.kafka_server import KafkaServer
from tests.services.prerequisites import missing_for_registry, missing_for_servers
from tests.services.registry_server import RegistryServer

FOLDER = Path(".demo-real")
SCORERS = 2
FAILURE, INTERRUPTED = 1, 130
_SAID: tuple[type[Exception], ...] = (ServicesError, *ROOM_ERRORS)


class Server(Protocol):
    """What can be started and stopped."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the servers are."""

    kafka: str
    elasticsearch: str
    registry: str


def real_settings(folder: Path, addresses: Addresses, *, prefix: str = "") -> tuple[Settings, Path]:
    """Settings that name the servers, and the file that holds them; data lie in `folder/data`.

    `prefix`: of topics, and without its dot of indices, so that one run never counts what another left.
    """
    config = folder / "penstock.toml"
    config.write_text(
        f"workers = {SCORERS}\n"
        f'[kafka]\nbootstrap_servers = "{addresses.kafka}"\n'
        f'[topics]\nprefix = "{prefix}"\n'
        f'[schema_registry]\nurl = "{addresses.registry}"\n'
        f'[store]\nelasticsearch_urls = "{addresses.elasticsearch}"\nindex_prefix = "{prefix.rstrip(".") or "demo"}"\n'
    )
    return load_settings(config, data_dir=folder / "data"), config


def real_plan(config: Path, *, requests: int, rate: float) -> DemoPlan:
    """The demo's plan with an accident, on the stack of that configuration."""
    return DemoPlan(requests=requests, rate=rate, stack=("--config", str(config)), accident=True)


@click.command()
@click.option("--requests", type=click.IntRange(min=1_000), default=52_000, show_default=True)
@click.option("--rate", type=click.FloatRange(min=1), default=500.0, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=FOLDER, show_default=True)
def main(requests: int, rate: float, folder: Path) -> None:
    """Replay so many flights, so many a second, on real servers, exactly once, and kill a scorer on the way."""
    end_in_order()
    console = Console(soft_wrap=True)
    try:
        _require_servers()
        fresh_directory(folder, load_settings(data_dir=folder / "data"))
        with _servers(folder.absolute(), console) as addresses:
            settings, config = real_settings(folder, addresses)
            run_demo(settings, real_plan(config, requests=requests, rate=rate), console)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except _SAID as error:
        sys.stderr.write(f"demo-real: {error}\n")
        sys.exit(FAILURE)
    console.print("the servers have stopped; Kafka's records lie beside the data", highlight=False)


@contextmanager
def _servers(folder: Path, console: Console) -> Iterator[Addresses]:
    """All three, one after the other; stopped in the end, whatever happens."""
    kafka = KafkaServer(data_dir=folder / "kafka")
    elasticsearch = ElasticsearchServer()
    registry = RegistryServer(data_dir=folder / "schema-registry")
    with ExitStack() as stack:
        stack.callback(elasticsearch.remove)
        servers: dict[str, Server] = {"Kafka": kafka, "Elasticsearch": elasticsearch, "a schema registry": registry}
        for name, server in servers.items():
            started = time.monotonic()
            stack.callback(server.stop)
            server.start()
            console.print(f"{name} serves after {time.monotonic() - started:.0f} s", highlight=False)
        yield Addresses(kafka=kafka.bootstrap_servers, elasticsearch=elasticsearch.url, registry=registry.url)


def _require_servers() -> None:
    """Say at once what is missing, before anything is fetched or started. Raises `ServiceMissingError`."""
    missing = tuple(dict.fromkeys((*missing_for_servers(), *missing_for_registry())))
    if missing:
        raise ServiceMissingError(missing)


if __name__ == "__main__":
    main()
