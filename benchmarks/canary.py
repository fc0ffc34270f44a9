"""A lane with a 5 % canary against the same lane without one, on one real broker: `make bench`.

Two installations on one broker hold the same two models. In one the first serves all, in the other
a rollout gives 5 % of the entities to the second. Scorers take turns, five each; every turn's
outputs are read back, and each prediction must be that of the version that owns its entity.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
import orjson
import xxhash

from benchmarks.contender import ROOT, Turn, take_turn
from benchmarks.contender_spec import Contender
from benchmarks.offsets import BenchmarkFailedError, Places
from benchmarks.page import CANARY_HEADING, write_part
from benchmarks.penstock_side import scorer, serve_model
from benchmarks.report import machine_words, median_rate, throughput_row, turns_as_json
from benchmarks.request_log import RequestLog, write_requests
from benchmarks.workload import ENTITIES, MODEL, SAMPLE_ROWS, Workload, build_workload, entity_id
from penstock.deployed import deployments
from runtime.settings import load_settings
from schemas.events import DeploymentState
from tests.services.kafka_server import KafkaServer

RESULTS = ROOT / "benchmarks" / "results" / "canary.json"
PLAIN, CANARY = "one version", "a 5 % canary"
SHARE = "5%"
RATIO_MIN = 0.8
TURNS, REQUESTS = 5, 300_000
SHORT_TURNS, SHORT_REQUESTS = 1, 100_000

PART = """\
{heading}

A lane that gives {share} of the entities to a candidate against the same lane without a candidate, on one broker.
Both hold the same two 20-feature models, and take turns.
Each prediction is checked: it is that of the version that owns its entity by the hash, to 1e-12, and there is one.

Measured on {machine}.

| the lane serves | events/s, median | turns of {events:,} | slowest to fastest | CPU us an event, median |
|---|---:|---:|---|---:|
{rows}

| ratio | measured | wanted at least |
|---|---:|---:|
| {canary} / {plain} | {ratio:.2f} | {wanted} |

By the CPU time of an event, which whatever else runs on the machine disturbs less, the canary leaves {cpu_ratio:.2f}.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoVersions:
    """Whose scores are right where entities are divided: `owned[entity]` says which are the candidate's."""

    control: Workload
    candidate: Workload
    owned: npt.NDArray[np.bool_]

    def expected_scores(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        mine = self.owned[numbers % ENTITIES]
        return np.where(mine, self.candidate.expected_scores(numbers), self.control.expected_scores(numbers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One installation: its scorer, its requests, and whose scores are right."""

    contender: Contender
    log: RequestLog
    truth: TwoVersions


def main() -> int:
    """Measure, print, write; exit code 1 when the target was missed or an output was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="one small turn each, and nothing written")
    short = parser.parse_args().short
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        server = KafkaServer(data_dir=Path(folder) / "kafka")
        server.start()
        try:
            turns = measure(
                Places(bootstrap_servers=server.bootstrap_servers),
                Path(folder),
                count=SHORT_TURNS if short else TURNS,
                requests=SHORT_REQUESTS if short else REQUESTS,
            )
        except BenchmarkFailedError as error:
            print(f"no figures: {error}", file=sys.stderr)
            return 1
        finally:
            server.stop()
    print(as_markdown(turns))
    if not short:
        RESULTS.write_bytes(orjson.dumps(_as_json(turns), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        write_part(CANARY_HEADING, as_markdown(turns))
    if ratio(turns) < RATIO_MIN:
        print(f"MISSED: {CANARY} / {PLAIN}: {ratio(turns):.2f}, wanted {RATIO_MIN}", file=sys.stderr)
        return 1
    return 0


Turns = dict[str, tuple[Turn, ...]]


def measure(places: Places, folder: Path, *, count: int, requests: int) -> Turns:
    """Both sides in every round, the other one first each time, so that a noisy minute hits both."""
    control, candidate = build_workload(), build_workload(fitted_from=SAMPLE_ROWS)
    rollout = ("rollout", "start", MODEL, "2", "--steps", f"{SHARE}:1h", "--judged-by", "guardrails")
    sides = [
        _side("plain", PLAIN, control, candidate, places, folder=folder, requests=requests, then=()),
        _side("canary", CANARY, control, candidate, places, folder=folder, requests=requests, then=rollout),
    ]
    if not 0.0 == sides[0].truth.owned.mean() < sides[1].truth.owned.mean():
        raise BenchmarkFailedError("the candidate is to have entities in one installation, and none in the other")
    turns: Turns = {side.contender.name: () for side in sides}
    for _ in range(count):
        for side in sides:
            turn = take_turn(side.contender, places, side.log, side.truth, said=folder / "contenders.log")
            turns[side.contender.name] += (turn,)
            print(f"{side.contender.name}: {turn.events_per_s:,.0f}/s over {turn.events:,}", file=sys.stderr)
        sides.reverse()
    return turns


def ratio(turns: Turns) -> float:
    """The canary's median rate in units of the plain one."""
    return median_rate(turns[CANARY]) / median_rate(turns[PLAIN])


def cpu_ratio(turns: Turns) -> float:
    """What an event costs without a canary, in units of what it costs with one: medians of CPU time."""
    plain, canary = (median(turn.cpu_us_per_event for turn in turns[name]) for name in (PLAIN, CANARY))
    return plain / canary


def as_markdown(turns: Turns) -> str:
    """The part of `docs/benchmarks.md`."""
    return PART.format(
        heading=CANARY_HEADING,
        share=SHARE.replace("%", " %"),
        machine=machine_words(),
        events=turns[PLAIN][0].events,
        rows="\n".join(throughput_row(name, each) for name, each in turns.items()),
        canary=CANARY,
        plain=PLAIN,
        ratio=ratio(turns),
        cpu_ratio=cpu_ratio(turns),
        wanted=RATIO_MIN,
    )


def _side(
    name: str,
    said: str,
    control: Workload,
    candidate: Workload,
    places: Places,
    *,
    folder: Path,
    requests: int,
    then: Sequence[str],
) -> Side:
    """An installation of its own, with its topics' own prefix and its requests written."""
    home, prefix, broker = folder / name, f"{name}.", places.bootstrap_servers
    (home / "candidate").mkdir(parents=True)
    served = serve_model(
        control,
        bootstrap_servers=broker,
        folder=home,
        prefix=prefix,
        others=[candidate.write_model(home / "candidate")],
        then=then,
    )
    contender = scorer(served, bootstrap_servers=broker, folder=home, decoder="arrow", records=requests, prefix=prefix)
    settings = load_settings(home / "penstock-arrow.toml", data_dir=home / "data")
    return Side(
        contender=replace(contender, name=said),
        log=write_requests(control, served, places, count=requests),
        truth=TwoVersions(
            control=control, candidate=candidate, owned=owned_by(deployments(settings)[MODEL], version="2")
        ),
    )


def owned_by(state: DeploymentState, *, version: str) -> npt.NDArray[np.bool_]:
    """Which entities the deployment gives to a version, by the hash that docs/rollouts.md states."""
    ranges = [span for served in state.versions if served.version == version for span in served.buckets]
    buckets = [
        xxhash.xxh64_intdigest(entity_id(number).encode(), seed=state.salt) % 10_000 for number in range(ENTITIES)
    ]
    return np.array([any(span.start <= bucket < span.end for span in ranges) for bucket in buckets])


def _as_json(turns: Turns) -> dict[str, object]:
    return {
        "machine": machine_words(),
        "events_per_s": turns_as_json(turns),
        "ratios": [{"of": CANARY, "against": PLAIN, "ratio": ratio(turns), "at_least": RATIO_MIN}],
        "cpu_ratio": cpu_ratio(turns),
    }


if __name__ == "__main__":
    sys.exit(main())
