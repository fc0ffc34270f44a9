"""How often rollouts are decided falsely, and how soon rightly: `python -m benchmarks.rollouts`.

Thousands of simulated rollouts are judged by the code that the controller runs, looked at after
every stretch of labels. Results go to benchmarks/results/rollouts.json, and from there into the
figures and tables of docs/rollouts.md. It takes some minutes, starts no server, and gives the same
figures again; `--draw` only draws those that are there.
"""

import argparse
import os
import sys
import time
from statistics import NormalDist, median
from typing import TypeVar

import numpy as np

from benchmarks.decided_rollouts import Errors, decide_rollouts
from benchmarks.rollout_figures import draw_figures
from benchmarks.rollout_results import (
    DECIMALS,
    RESULTS,
    Ends,
    FalsePromotions,
    FalseRollbacks,
    Power,
    RolloutResults,
    decode,
    encode,
)
from benchmarks.simulated_rollouts import (
    CANARY_STEPS,
    Counts,
    World,
    draw,
    judge,
    naive_z_test,
    pooled_sequence,
    share_said,
)
from docs.pages.rollouts import PAGE, rollouts_page
from penstock.roles.controller import rollout_defaults
from runtime.settings import RolloutSettings
from streams.rollout.power import Expectation, labels_to_decide

SEED = 20_130_101
ROLLOUTS, POWER_ROLLOUTS = 2_000, 400
STRETCH_LABELS, POWER_STRETCH_LABELS = 500, 100
RULES = rollout_defaults(RolloutSettings()).rules
PROCESSES = min(os.cpu_count() or 1, 4)
T = TypeVar("T")

_LINE = tuple(np.linspace(0.05, 0.5, RULES.labels_max // STRETCH_LABELS).tolist())
EQUAL = (
    World(name="50 % of the entities"),
    World(name="5 % of the entities", shares=(0.05,)),
    World(name="5 to 50 % in a line while errors rise from 5 to 15 %", level=(0.05, 0.15), shares=_LINE),
    World(name="1, 5, 20, 50 % while errors rise from 5 to 15 %", level=(0.05, 0.15), shares=CANARY_STEPS),
    World(name="1, 5, 20, 50 % while errors fall from 15 to 5 %", level=(0.15, 0.05), shares=CANARY_STEPS),
    World(name="regression, 1, 5, 20, 50 % while errors double", level=(1.0, 2.0), shares=CANARY_STEPS, values=True),
)
WORSE_BY_THE_MARGIN = (
    World(name="50 % of the entities", difference=RULES.margin),
    World(name="5 to 50 % in a line while errors rise from 5 to 15 %", level=(0.05, 0.15), shares=_LINE,
          difference=RULES.margin),
    World(name="1, 5, 20, 50 % while errors rise from 5 to 15 %", level=(0.05, 0.15), shares=CANARY_STEPS,
          difference=RULES.margin),
)  # fmt: skip
EQUAL_CANARY = Errors(name="as good as control, errors rise from 5 to 15 %", level=(0.05, 0.15))
CANARIES = (
    Errors(name="as good as control"),
    Errors(name="worse by the margin, errors rise from 5 to 15 %", level=(0.05, 0.15), difference=RULES.margin),
    Errors(name="better by the margin", difference=-RULES.margin),
    Errors(name="15 % errors instead of 10", difference=0.05),
    Errors(name="20 % errors instead of 10", difference=0.10),
    Errors(name="30 % errors instead of 10", difference=0.20),
)
SHARES = (0.05, 0.5)
LOSSES = ((0.08, 0.10), (0.10, 0.10), (0.12, 0.10), (0.15, 0.10), (0.10, 0.15), (0.10, 0.20), (0.10, 0.30))
"""Mean losses of control and candidate."""


def main() -> int:
    """Measure or not, draw; exit code 1 when anything was decided falsely more often than alpha allows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", action="store_true", help="measure nothing: draw the results that are there")
    if not parser.parse_args().draw:
        RESULTS.write_bytes(encode(measure()))
    results = decode(RESULTS.read_bytes())
    draw_figures(results)
    PAGE.write_text(rollouts_page(), encoding="utf-8")
    for words in results.beyond_alpha():
        print(words, file=sys.stderr)
    return 1 if results.beyond_alpha() else 0


def measure() -> RolloutResults:
    """All parts, each told of as it is done."""
    started = time.monotonic()

    def told(part: T) -> T:
        print(f"{time.monotonic() - started:4.0f} s: {part}"[:160], file=sys.stderr)
        return part

    return RolloutResults(
        seed=SEED,
        rollouts=ROLLOUTS,
        power_rollouts=POWER_ROLLOUTS,
        stretch_labels=STRETCH_LABELS,
        alpha=RULES.alpha,
        margin=RULES.margin,
        labels_max=RULES.labels_max,
        ends=[
            told(ends(EQUAL_CANARY, rollouts=ROLLOUTS)),
            *(told(ends(each, rollouts=POWER_ROLLOUTS)) for each in CANARIES),
        ],
        power=[told(power(share, *losses)) for share in SHARES for losses in LOSSES],
        false_promotions=[told(false_promotions(each)) for each in WORSE_BY_THE_MARGIN],
        false_rollbacks=[told(false_rollbacks(each)) for each in EQUAL],
    )


def false_rollbacks(world: World) -> FalseRollbacks:
    """An equal candidate, looked at to the last stretch whatever was said before: harder than what a rollout does."""
    stretches = RULES.labels_max // STRETCH_LABELS
    traffic = draw(world, rollouts=ROLLOUTS, stretches=stretches, stretch_labels=STRETCH_LABELS, seed=SEED)

    def curve(first: Counts) -> list[float]:
        return [round(float(share), DECIMALS) for share in share_said(first, stretches)]

    return FalseRollbacks(
        world=world.name,
        penstock=curve(judge(traffic, RULES, to_the_end=True, processes=PROCESSES).worse),
        naive=curve(naive_z_test(traffic, NormalDist().inv_cdf(1.0 - RULES.alpha))),
        pooled=curve(pooled_sequence(traffic, RULES.alpha)),
    )


def false_promotions(world: World) -> FalsePromotions:
    """A candidate that is worse by the margin, until something is said of it."""
    stretches = RULES.labels_max // STRETCH_LABELS
    traffic = draw(world, rollouts=ROLLOUTS, stretches=stretches, stretch_labels=STRETCH_LABELS, seed=SEED)
    looks = judge(traffic, RULES, to_the_end=False, processes=PROCESSES)
    return FalsePromotions(world=world.name, promoted=round(float(np.mean(looks.promoted)), DECIMALS))


def ends(errors: Errors, *, rollouts: int) -> Ends:
    """Whole canaries by the shipped steps and settings."""
    ended = decide_rollouts(errors, rollouts=rollouts, seed=SEED, processes=PROCESSES)

    def share(phase: str) -> float:
        return round(sum(each.phase == phase for each in ended) / len(ended), DECIMALS)

    return Ends(
        world=errors.name,
        rollouts=rollouts,
        successful=share("Successful"),
        failed=share("Failed"),
        inconclusive=share("Inconclusive"),
        labels_p50=int(median(each.labels for each in ended)),
    )


def power(share: float, control: float, candidate: float) -> Power:
    """Rollouts at one share until they are decided or labels run out, beside what is computed beforehand."""
    world = World(name="power", level=(control, control), difference=candidate - control, shares=(share,))
    stretches = RULES.labels_max // POWER_STRETCH_LABELS
    traffic = draw(world, rollouts=POWER_ROLLOUTS, stretches=stretches, stretch_labels=POWER_STRETCH_LABELS, seed=SEED)
    looks = judge(traffic, RULES, to_the_end=False, processes=PROCESSES)
    decided = np.where(looks.rolled_back, looks.worse, looks.no_worse)
    expected = Expectation(
        control_loss=control, candidate_loss=candidate, share=share, stretch_labels=POWER_STRETCH_LABELS
    )
    p50, p95 = (
        labels_to_decide(expected, RULES, verdict="worse" if candidate > control else "no worse", certainty=certainty)
        for certainty in (0.5, 0.95)
    )
    return Power(
        share=share,
        control_loss=control,
        candidate_loss=candidate,
        rolled_back=round(float(np.mean(looks.rolled_back)), DECIMALS),
        promoted=round(float(np.mean(looks.promoted)), DECIMALS),
        labels=sorted(((decided[decided >= 0] + 1) * POWER_STRETCH_LABELS).tolist()),
        computed_p50=p50,
        computed_p95=p95,
    )


if __name__ == "__main__":
    sys.exit(main())
