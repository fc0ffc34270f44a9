"""What people see of a rollout: every figure in the view, and the panel that is drawn of it."""

import io

import orjson
from rich.console import Console

from penstock.rollouts.screen import drawn, line
from penstock.rollouts.view import view_of
from tests.streams.rollouts import DEFAULTS, MINUTE, Model, serving


def shown(model: Model, **observed: int) -> str:
    screen = io.StringIO()
    view = view_of(model.deployment, model.now, observed=observed)
    Console(file=screen, width=110, highlight=False, markup=False).print(drawn(view))
    return screen.getvalue()


def test_a_running_canary_shows_shares_evidence_and_what_comes_next() -> None:
    """Target beside observed, both e-values with what they need, the interval, time and labels to go."""
    model = serving()
    model.start(steps="10%:5m:4000,50%")
    for _ in range(3):
        model.labels({"1": 0.1, "2": 0.12})
    model.now += 2 * MINUTE
    text = shown(model, **{"1": 900, "2": 100})

    assert "canary  Running" in text
    assert "steps  [10 %]  50 %   3m to go, 3,000 of 4,000 labels, deadline in 58m" in text
    assert "waits for time and labels" in text
    assert "10 % of 1,000" in text
    assert "mean loss 0.12 of 3,000 labels, control 0.1 of 3,000" in text
    assert "difference +0.0200, in [" in text
    assert "for no worse than the margin 0.05" in text
    assert "for worse than control" in text


def test_no_interval_is_shown_while_errors_are_few() -> None:
    """And no evidence where labels decide nothing."""
    model = serving()
    model.start()
    few = shown(model)
    model.ask("abort")
    model.now += DEFAULTS.rules.cool_down_ms
    model.start("3", judged_by="guardrails")
    by_guardrails = shown(model)

    assert "no matured labels of both arms yet" in few
    assert "no interval yet" in few
    assert "e-value" not in by_guardrails


def test_people_see_who_froze_what_is_barred_and_where_a_rollback_leads() -> None:
    """What an operator at night must not overlook."""
    model = serving()
    model.serve("2")
    model.ask("bar", version="1", reason="old prices")
    model.ask("freeze")
    model.serve("3")
    text = shown(model)

    assert "frozen by ann: automation only tells" in text
    assert "version 1 is barred: old prices" in text
    assert "`penstock rollback flights` goes back to version 2" in text


def test_a_failed_rollout_says_why_and_when_the_next_may_begin() -> None:
    """In the panel and on the line."""
    model = serving()
    model.start()
    for _ in range(6):
        model.labels({"1": 0.1, "2": 0.4})
    view = view_of(model.deployment, model.now)

    assert "flights canary Failed (1 100 %): version 2 is worse than 1" in line(view)
    assert "cools down: no rollout begins for another 30m" in shown(model)


def test_the_view_is_plain_json() -> None:
    """Scripts read what people see."""
    model = serving()
    model.start("2,3", strategy="ab", pins="2=entity:a")
    model.labels({"1": 0.1, "2": 0.1, "3": 0.2})

    view = orjson.loads(orjson.dumps(view_of(model.deployment, model.now)))

    assert view["rollout"]["candidates"] == ["2", "3"]
    assert [each["target"] for each in view["versions"]] == [0.3334, 0.3333, 0.3333]
    assert view["overrides"] == [{"kind": "entity", "value": "a", "version": "2"}]
    assert view["rollout"]["evidence"][0]["labels"] == 1_000
