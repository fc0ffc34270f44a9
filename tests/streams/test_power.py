"""Labels that a decision takes: what is computed beforehand holds in simulated rollouts, and has bounds."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.simulated_rollouts import World, draw, judge
from penstock.roles.controller import rollout_defaults
from runtime.settings import RolloutSettings
from streams.rollout.power import Expectation, Verdict, labels_to_decide

RULES = rollout_defaults(RolloutSettings()).rules
STRETCH_LABELS = 100
ROLLOUTS = 60


@pytest.mark.parametrize(
    ("share", "control", "candidate", "verdict"),
    [
        (0.5, 0.10, 0.20, "worse"),
        (0.5, 0.10, 0.30, "worse"),
        (0.2, 0.10, 0.20, "worse"),
        (0.05, 0.10, 0.30, "worse"),
        (0.5, 0.15, 0.10, "no worse"),
        (0.2, 0.20, 0.10, "no worse"),
    ],
)
def test_rollouts_are_decided_within_the_computed_number_of_labels(
    share: float, control: float, candidate: float, verdict: Verdict
) -> None:
    """At least 9 in 10 of 60 rollouts need no more than is computed for 95 %, and none gets another verdict."""
    expected = Expectation(control_loss=control, candidate_loss=candidate, share=share, stretch_labels=STRETCH_LABELS)
    computed = labels_to_decide(expected, RULES, verdict=verdict, certainty=0.95)
    assert computed is not None
    world = World(name="planted", level=(control, control), difference=candidate - control, shares=(share,))
    traffic = draw(
        world, rollouts=ROLLOUTS, stretches=computed // STRETCH_LABELS, stretch_labels=STRETCH_LABELS, seed=7
    )

    looks = judge(traffic, RULES, to_the_end=False)

    right, wrong = looks.rolled_back, looks.promoted
    if verdict == "no worse":
        right, wrong = wrong, right
    assert np.mean(right) >= 0.9
    assert np.mean(wrong) == 0.0


def test_more_is_asked_for_by_smaller_differences_smaller_shares_smaller_alphas_and_more_certainty() -> None:
    """The number grows with all that makes a decision harder."""
    plain = Expectation(control_loss=0.1, candidate_loss=0.2, share=0.5)

    def labels(expected: Expectation = plain, alpha: float = 0.05, certainty: float = 0.5, candidates: int = 1) -> int:
        rules = replace(RULES, alpha=alpha)
        found = labels_to_decide(expected, rules, verdict="worse", certainty=certainty, candidates=candidates)
        assert found is not None
        return found

    assert labels() < labels(replace(plain, candidate_loss=0.15))
    assert labels() < labels(replace(plain, share=0.05))
    assert labels() < labels(alpha=0.001)
    assert labels() < labels(certainty=0.99)
    assert labels(candidates=2) == labels(alpha=0.025)


def test_a_verdict_that_is_not_due_never_comes() -> None:
    """A better candidate is not found worse, one beyond the margin not "no worse", and the cap of labels is kept."""
    better = Expectation(control_loss=0.2, candidate_loss=0.1, share=0.5)
    beyond = Expectation(control_loss=0.1, candidate_loss=0.1 + RULES.margin, share=0.5)
    slight = Expectation(control_loss=0.1, candidate_loss=0.105, share=0.05)

    assert labels_to_decide(better, RULES, verdict="worse") is None
    assert labels_to_decide(beyond, RULES, verdict="no worse") is None
    assert labels_to_decide(slight, RULES, verdict="worse") is None
    assert labels_to_decide(slight, replace(RULES, labels_max=10_000_000), verdict="worse") is not None


def test_what_cannot_be_expected_is_refused() -> None:
    """Each with the field, the kind and what was given."""
    plain = Expectation(control_loss=0.1, candidate_loss=0.2, share=0.5)

    with pytest.raises(ValueError, match=r"control_loss is a mean loss between 0 and 1, not -0\.1"):
        replace(plain, control_loss=-0.1)
    with pytest.raises(ValueError, match="candidate_loss is a mean loss between 0 and 1, not nan"):
        replace(plain, candidate_loss=float("nan"))
    with pytest.raises(ValueError, match=r"share is the candidate's part of the entities, between 0 and 1, not 1\.0"):
        replace(plain, share=1.0)
    with pytest.raises(ValueError, match="stretch_labels is 1 or more, not 0"):
        replace(plain, stretch_labels=0)
