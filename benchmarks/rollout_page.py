"""The section of docs/rollouts.md that says how often evidence errs, and how soon it decides. Pure text."""

from benchmarks.rollout_results import Ends, FalsePromotions, FalseRollbacks, Power, RolloutResults

CONTENT = """\
`python -m benchmarks.rollouts` measures all of this anew, with the code that the controller runs.

### False alarms

{rollouts:,} simulated rollouts of a candidate that is exactly as good as control, \
looked at after every {stretch_labels} labels until {labels_max:,} have come.
penstock is held to more than it promises here: it is looked at to the end, also after it has said "no worse".

![Share of rollouts of equal candidates called worse, by labels](rollouts-false-decisions.svg)

| called worse, though it is not | penstock | a z-test at each look | a pooled confidence sequence |
|---|---:|---:|---:|
{false_rollbacks}

Alpha is {alpha:.0%}.
The z-test keeps it if it is looked at once.
The pooled sequence keeps it at every look while the share stays, and takes labels of different times for comparable: \
where the share grows while errors rise for everybody, it finds a candidate worse that is not.

| promoted, though it is worse by the margin of {margin} | penstock |
|---|---:|
{false_promotions}

### Whole canaries

Canaries at the shipped settings: 1, 5, 20 and 50 % of the entities, and 1,000 labels in a step's least time.
The controller's own function decides them, from the command that starts them to their end.

| the candidate is | rollouts | promoted | rolled back | inconclusive | labels to the end, median |
|---|---:|---:|---:|---:|---:|
{ends}

### How many labels it takes

{power_rollouts} rollouts each at one share, alpha {alpha} and margin {margin}.

![Share of rollouts decided, by labels](rollouts-power.svg)

| entities | control errs | candidate errs | rolled back | promoted | labels, half | 95 % | computed, half | 95 % |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|
{power}

Labels are those of both arms by which half of the rollouts, or 95 %, were decided; a dash is more than {labels_max:,}.
**Computed** is what `labels_to_decide` in `streams/rollout/power.py` says of them beforehand, \
from what one expects of both versions and for any alpha, margin and share.
It errs on the safe side, and so it does for a share that grows: that brings the decision earlier.

```python
from streams.rollout.power import Expectation, labels_to_decide

expected = Expectation(control_loss=0.10, candidate_loss=0.20, share=0.05)
labels = labels_to_decide(expected, rollout.rules, verdict="worse", certainty=0.95)
```

Before both arms have `rollout.block_labels_min` labels twice nothing can be called worse: \
the first block is what the second is bet on.
"""


def measured_section(results: RolloutResults) -> str:
    """The section, from results alone."""
    return CONTENT.format(
        rollouts=results.rollouts,
        power_rollouts=results.power_rollouts,
        stretch_labels=results.stretch_labels,
        labels_max=results.labels_max,
        alpha=results.alpha,
        margin=results.margin,
        false_rollbacks="\n".join(map(_false_rollbacks_row, results.false_rollbacks)),
        false_promotions="\n".join(map(_false_promotions_row, results.false_promotions)),
        ends="\n".join(map(_ends_row, results.ends)),
        power="\n".join(map(_power_row, results.power)),
    )


def _false_rollbacks_row(each: FalseRollbacks) -> str:
    return f"| {each.world} | {each.penstock[-1]:.1%} | {each.naive[-1]:.1%} | {each.pooled[-1]:.1%} |"


def _false_promotions_row(each: FalsePromotions) -> str:
    return f"| {each.world} | {each.promoted:.1%} |"


def _ends_row(each: Ends) -> str:
    shares = f"{each.successful:.1%} | {each.failed:.1%} | {each.inconclusive:.1%}"
    return f"| {each.world} | {each.rollouts:,} | {shares} | {each.labels_p50:,} |"


def _power_row(each: Power) -> str:
    labels = (each.labels_p50, each.labels_p95, each.computed_p50, each.computed_p95)
    said = " | ".join("-" if number is None else f"{number:,}" for number in labels)
    return (
        f"| {each.share:.0%} | {each.control_loss:.0%} | {each.candidate_loss:.0%} "
        f"| {each.rolled_back:.1%} | {each.promoted:.1%} | {said} |"
    )
