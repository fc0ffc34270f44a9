"""The lane against a hand-written loop and a plain Faust agent, on one real broker: `make bench`.

One topic with a million requests is written once. Contenders take turns on its end, five
each, and every turn's outputs are read back and judged before its figure counts. Then one
scorer reads the whole topic for the memory figure, and answers an even load for the latencies.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.contender import Turn, running, take_turn
from benchmarks.contender_spec import Contender
from benchmarks.contenders import Shares, build_contenders
from benchmarks.load_generator import LoadSpec
from benchmarks.offsets import BenchmarkFailedError, Places
from benchmarks.open_loop import Latency, measure_latency
from benchmarks.penstock_side import ServedModel, serve_model
from benchmarks.report import Report, Target, as_markdown, median_rate, write_report
from benchmarks.request_log import RequestLog, write_requests
from benchmarks.workload import Workload, build_workload
from tests.services.kafka_server import KafkaServer

RESIDENT_BYTES_ALLOWED = 500_000_000
LOADS = (0.25, 0.5, 0.75)
LOAD_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured; a short run has the same parts and trusts its figures less."""

    turns: int
    requests: int
    shares: Shares


FULL = Sizes(turns=5, requests=1_000_000, shares=Shares(penstock=400_000, hand_written=240_000, faust=16_000))
SHORT = Sizes(turns=1, requests=120_000, shares=Shares(penstock=120_000, hand_written=60_000, faust=4_000))


def main() -> int:
    """Measure, print, write; exit code 1 when a target was missed or an output was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="one small turn each, and nothing written")
    short = parser.parse_args().short
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        server = KafkaServer(data_dir=Path(folder) / "kafka")
        server.start()
        try:
            report = measure(server.bootstrap_servers, Path(folder), sizes=SHORT if short else FULL)
        except BenchmarkFailedError as error:
            print(f"no figures: {error}", file=sys.stderr)
            return 1
        finally:
            server.stop()
    print(as_markdown(report))
    if not short:
        write_report(report)
    for miss in report.missed():
        print(f"MISSED: {miss}", file=sys.stderr)
    return 1 if report.missed() else 0


def measure(bootstrap_servers: str, folder: Path, *, sizes: Sizes) -> Report:
    """All parts in their order, on a broker that is otherwise idle."""
    workload = build_workload()
    places = Places(bootstrap_servers=bootstrap_servers)
    served = serve_model(workload, bootstrap_servers=bootstrap_servers, folder=folder)
    log = write_requests(workload, served, places, count=sizes.requests)
    contenders = build_contenders(served, places, folder=folder, shares=sizes.shares)
    arrow, by_fastavro, hand_written, faust, _full = (contender.name for contender in contenders)
    turns = take_turns(contenders, places, log, workload, folder=folder, count=sizes.turns)
    whole = take_turn(
        replace(contenders[0], records=sizes.requests), places, log, workload, said=folder / "contenders.log"
    )
    return Report(
        turns=turns,
        targets=(
            Target(of=arrow, against=hand_written, at_least=1.5),
            Target(of=by_fastavro, against=hand_written, at_least=0.7),
            Target(of=arrow, against=faust, at_least=10.0),
        ),
        latencies=measure_latencies(
            contenders[0],
            served,
            places,
            folder=folder,
            capacity=median_rate(turns[arrow]),
            first_number=sizes.requests,
        ),
        resident_bytes_max=whole.resident_bytes_max,
        resident_bytes_allowed=RESIDENT_BYTES_ALLOWED,
        resident_events=whole.events,
    )


def take_turns(
    contenders: tuple[Contender, ...], places: Places, log: RequestLog, workload: Workload, *, folder: Path, count: int
) -> dict[str, tuple[Turn, ...]]:
    """Every contender in every round, so that a noisy minute hits all of them."""
    turns: dict[str, tuple[Turn, ...]] = {contender.name: () for contender in contenders}
    for _ in range(count):
        for contender in contenders:
            turn = take_turn(contender, places, log, workload, said=folder / "contenders.log")
            turns[contender.name] += (turn,)
            said = f"{turn.events_per_s:,.0f}/s over {turn.events:,}, {turn.cpu_us_per_event:.1f} us of CPU an event"
            print(f"{contender.name}: {said}", file=sys.stderr)
    return turns


def measure_latencies(
    contender: Contender, served: ServedModel, places: Places, *, folder: Path, capacity: float, first_number: int
) -> tuple[Latency, ...]:
    """One even load after the other on one scorer that goes on running."""
    latencies = []
    places.place(contender.group, served.requests_topic, places.ends(served.requests_topic))
    with running(contender.command, said=folder / "contenders.log"):
        for share in LOADS:
            spec = LoadSpec(
                bootstrap_servers=places.bootstrap_servers,
                topic=served.requests_topic,
                schema=served.request_schema,
                schema_id=served.request_schema_id,
                first_number=first_number,
                count=int(capacity * share * LOAD_S),
                per_s=capacity * share,
            )
            latencies.append(
                measure_latency(
                    spec,
                    places,
                    output_topic=contender.output_topic,
                    output_schema=contender.output_schema,
                    folder=folder,
                )
            )
            first_number += spec.count
    return tuple(latencies)


if __name__ == "__main__":
    sys.exit(main())
