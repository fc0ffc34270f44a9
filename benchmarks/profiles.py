"""What profiles cost the scoring lane: one scorer with them and one without, on one real broker.

Both read the same end of one topic, turn by turn, and who begins alternates. Every turn's outputs are read
back and judged before its figure counts; the profiles that were sent are counted, so that none is
measured that was not made.
"""

import argparse
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import orjson

from benchmarks.contender import ROOT, Turn, take_turn
from benchmarks.contender_spec import Contender
from benchmarks.offsets import BenchmarkFailedError, Places
from benchmarks.penstock_side import ServedModel, scorer, serve_model, write_config
from benchmarks.request_log import write_requests
from benchmarks.workload import build_workload
from runtime.settings import DriftSettings
from schemas.topics import PROFILES, Topics
from tests.services.kafka_server import KafkaServer
from tests.stack import command

RESULTS = ROOT / "benchmarks" / "results" / "profiles.json"
WITH, WITHOUT = "with profiles", "without"
TURNS, REQUESTS = 5, 300_000
SHORT_TURNS, SHORT_REQUESTS = 1, 100_000
COST_MAX = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilesReport:
    """All turns of both, and how many profiles each turn sent."""

    turns: dict[str, tuple[Turn, ...]]
    profiles: dict[str, tuple[int, ...]]

    @property
    def costs(self) -> list[float]:
        """The share of its throughput that the lane gave up for profiles, pair by pair."""
        pairs = zip(self.turns[WITH], self.turns[WITHOUT], strict=True)
        return [1 - profiled.events_per_s / plain.events_per_s for profiled, plain in pairs]

    @property
    def cpu_costs(self) -> list[float]:
        """The share by which the scorer's processor time for one event grew, pair by pair."""
        pairs = zip(self.turns[WITH], self.turns[WITHOUT], strict=True)
        return [profiled.cpu_us_per_event / plain.cpu_us_per_event - 1 for profiled, plain in pairs]


def main() -> int:
    """Measure, print, write; exit code 1 when profiles cost more than they may or an output was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="one small turn each, and nothing written")
    short = parser.parse_args().short
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        server = KafkaServer(data_dir=Path(folder) / "kafka")
        server.start()
        try:
            report = measure(
                server.bootstrap_servers,
                Path(folder),
                turns=SHORT_TURNS if short else TURNS,
                requests=SHORT_REQUESTS if short else REQUESTS,
            )
        except BenchmarkFailedError as error:
            print(f"no figures: {error}", file=sys.stderr)
            return 1
        finally:
            server.stop()
    print(as_markdown(report))
    if not short:
        RESULTS.write_bytes(orjson.dumps(_as_json(report), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    if median(report.costs) > COST_MAX:
        print(f"MISSED: profiles cost {median(report.costs):.1%}, allowed are {COST_MAX:.0%}", file=sys.stderr)
        return 1
    return 0


def measure(bootstrap_servers: str, folder: Path, *, turns: int, requests: int) -> ProfilesReport:
    """All turns, on a broker that is otherwise idle."""
    workload = build_workload()
    places = Places(bootstrap_servers=bootstrap_servers)
    served = serve_model(workload, bootstrap_servers=bootstrap_servers, folder=folder)
    log = write_requests(workload, served, places, count=requests)
    pair = _contenders(served, places, folder=folder, requests=requests)
    taken: dict[str, tuple[Turn, ...]] = {WITH: (), WITHOUT: ()}
    sent: dict[str, tuple[int, ...]] = {WITH: (), WITHOUT: ()}
    for _ in range(turns):
        for contender in pair:
            before = _profiles_sent(places)
            turn = take_turn(contender, places, log, workload, said=folder / "contenders.log")
            taken[contender.name] += (turn,)
            sent[contender.name] += (_profiles_sent(places) - before,)
            said = f"{turn.events_per_s:,.0f}/s, {turn.cpu_us_per_event:.1f} us of CPU an event"
            print(f"{contender.name}: {said}, {sent[contender.name][-1]} profiles", file=sys.stderr)
        pair.reverse()
    if not all(sent[WITH]) or any(sent[WITHOUT]):
        raise BenchmarkFailedError(f"profiles were sent where none should be, or none where some should: {sent}")
    return ProfilesReport(turns=taken, profiles=sent)


def as_markdown(report: ProfilesReport) -> str:
    """A table for people."""
    rows = [
        f"| {name} | {median(turn.events_per_s for turn in turns):,.0f} "
        f"| {median(turn.cpu_us_per_event for turn in turns):.1f} | {median(report.profiles[name]):,.0f} |"
        for name, turns in report.turns.items()
    ]
    costs = sorted(report.costs)
    middle, pairs = median(costs), len(costs)
    return "\n".join(
        [
            "| scorer | events/s, median | CPU us an event, median | profiles a turn |",
            "|---|---:|---:|---:|",
            *rows,
            "",
            f"Throughput given up for profiles, median of {pairs} pairs: {middle:.1%}; allowed are {COST_MAX:.0%}.",
            f"The pairs go from {costs[0]:.1%} to {costs[-1]:.1%}.",
            f"Processor time for one event: {median(report.cpu_costs):+.1%}.",
        ]
    )


def _contenders(served: ServedModel, places: Places, *, folder: Path, requests: int) -> list[Contender]:
    """The same scorer twice; the second one's configuration differs in nothing but the rate of profiling."""
    profiled = scorer(
        served, bootstrap_servers=places.bootstrap_servers, folder=folder, decoder="arrow", records=requests
    )
    config = write_config(folder, bootstrap_servers=places.bootstrap_servers, decoder="arrow")
    without = folder / "penstock-without.toml"
    text = config.read_text(encoding="utf-8")
    without.write_text(f"{text}\n[drift]\nprofile_rows_per_s_max = 0\n", encoding="utf-8")
    plain = tuple(command("run", "scorer", "--slot", "0", data_dir=folder / "data", config=without))
    return [replace(profiled, name=WITH), replace(profiled, name=WITHOUT, command=plain)]


def _profiles_sent(places: Places) -> int:
    return sum(places.ends(Topics().of(PROFILES)).values())


def _as_json(report: ProfilesReport) -> dict[str, object]:
    return {
        "profile_rows_per_s_max": DriftSettings().profile_rows_per_s_max,
        "turns": {name: [asdict(turn) for turn in turns] for name, turns in report.turns.items()},
        "profiles": report.profiles,
        "costs": report.costs,
        "cost": median(report.costs),
        "cpu_costs": report.cpu_costs,
        "at_most": COST_MAX,
    }


if __name__ == "__main__":
    sys.exit(main())
