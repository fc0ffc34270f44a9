"""penstock's sink against Elasticsearch's own bulk helper, on one real server: `make bench`.

In every turn both write the same predictions under the same templates into indices that are new, portion
by portion: each portion is written by both, one right after the other, and who begins alternates. So a
noisy second hits both, and the ratio is taken portion by portion. Then what is stored is read back and
compared, document by document, before the figures count.
"""

import argparse
import gc
import sys
from collections.abc import Mapping, Sequence

from elasticsearch import Elasticsearch

from benchmarks.offsets import BenchmarkFailedError
from benchmarks.page import STORE_HEADING, write_part
from benchmarks.store_contenders import (
    SIGNATURE,
    Portion,
    StoreTurn,
    Taken,
    build_documents,
    bulk_helper,
    penstock_sink,
    portions_of,
    stored_documents,
    take,
    wanted_documents,
)
from benchmarks.store_report import HELPER, PENSTOCK, StoreReport, as_markdown, write_results
from benchmarks.workload import MODEL, build_workload
from consumers.sinks.base import Document
from consumers.sinks.elasticsearch_setup import BASE_FAMILIES, IndexSetup, model_families
from runtime.settings import StoreSettings
from tests.services.elasticsearch_server import ElasticsearchServer

PREFIXES = {PENSTOCK: "bench_penstock", HELPER: "bench_helper"}
TURNS, DOCUMENTS = 5, 100_000
SHORT_TURNS, SHORT_DOCUMENTS = 1, 20_000
PORTION = 10_000


def main() -> int:
    """Measure, print, write; exit code 1 when the target was missed or an end result differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="one small turn each, and nothing written")
    short = parser.parse_args().short
    server = ElasticsearchServer()
    try:
        server.start()
        report = measure(
            server, turns=SHORT_TURNS if short else TURNS, documents=SHORT_DOCUMENTS if short else DOCUMENTS
        )
    except BenchmarkFailedError as error:
        print(f"no figures: {error}", file=sys.stderr)
        return 1
    finally:
        server.stop()
        server.remove()
    print(as_markdown(report))
    if not short:
        write_results(report)
        write_part(STORE_HEADING, as_markdown(report))
    for miss in report.missed():
        print(f"MISSED: {miss}", file=sys.stderr)
    return 1 if report.missed() else 0


def measure(server: ElasticsearchServer, *, turns: int, documents: int) -> StoreReport:
    """All turns; a first one warms the server up and is not counted."""
    made = build_documents(build_workload(), documents)
    stores = {name: server.store_settings(prefix) for name, prefix in PREFIXES.items()}
    taken: dict[str, tuple[StoreTurn, ...]] = dict.fromkeys(PREFIXES, ())
    portions = {name: portions_of(settings, made, size=PORTION) for name, settings in stores.items()}
    # A process that writes does not hold so many documents for so long, so the collector need not look through them.
    gc.collect()
    gc.freeze()
    with server.client() as client:
        for number in range(turns + 1):
            turn = _judged_turn(client, stores, portions, made)
            for name, each in turn.items():
                taken[name] += (each,) if number else ()
                print(f"{name}: {each.documents_per_s:,.0f} documents/s", file=sys.stderr)
    return StoreReport(turns=taken)


def _judged_turn(
    client: Elasticsearch,
    stores: Mapping[str, StoreSettings],
    portions: Mapping[str, Sequence[Portion]],
    documents: Sequence[Document],
) -> dict[str, StoreTurn]:
    """One turn into empty indices. Raises `BenchmarkFailedError` when anything else is stored than was to be."""
    for settings in stores.values():
        for index in client.indices.get(index=f"{settings.index_prefix}-*"):
            client.indices.delete(index=index)
        IndexSetup(client, settings).ensure([*BASE_FAMILIES, *model_families(MODEL, SIGNATURE)])
    taken: dict[str, list[Taken]] = {name: [] for name in stores}
    with penstock_sink(stores[PENSTOCK]) as by_sink, bulk_helper(stores[HELPER]) as by_helper:
        order = [(PENSTOCK, by_sink), (HELPER, by_helper)]
        for number in range(len(portions[PENSTOCK])):
            for name, write in order:
                taken[name].append(take(write, portions[name][number]))
            order.reverse()
    for settings in stores.values():
        _check_stored(client, settings, documents)
    return {name: StoreTurn(portions=tuple(each)) for name, each in taken.items()}


def _check_stored(client: Elasticsearch, settings: StoreSettings, documents: Sequence[Document]) -> None:
    pairs = zip(stored_documents(client, settings), wanted_documents(settings, documents), strict=True)
    try:
        wrong = next((wanted[0] for stored, wanted in pairs if stored != wanted), None)
    except ValueError as error:
        raise BenchmarkFailedError(f"not every document is stored once: {error}") from error
    if wrong is not None:
        raise BenchmarkFailedError(f"{wrong} is not stored as it was written")


if __name__ == "__main__":
    sys.exit(main())
