"""Shadows as decisions: begun, ended and failed without a new generation, so that scorers have nothing to do."""

from dataclasses import replace

from schemas.events import PartitionEnd, WithdrawnVersion
from streams.rollout.inputs import VersionFacts
from streams.rollout.withdrawal import withdraw
from tests.streams.rollouts import Model, serving

STARTS = "0=10,1=0"


def test_a_shadow_begins_where_the_requests_ended_and_changes_nothing_that_serves() -> None:
    """Version, share, start and schemas are in the deployment; its generation stays."""
    model = serving()
    before = model.deployment
    decision = model.ask("shadow_start", version="2", share="25%", starts=STARTS)
    (shadow,) = model.deployment.shadows

    assert decision.outcome == "accepted"
    assert (shadow.version, shadow.share, shadow.request_schema_id, shadow.prediction_schema_id) == ("2", 2_500, 3, 4)
    assert shadow.starts == (PartitionEnd(partition=0, offset=10), PartitionEnd(partition=1, offset=0))
    assert (model.deployment.generation, model.deployment.versions) == (before.generation, before.versions)
    assert model.kinds == ["ShadowStarted"]


def test_a_shadow_is_ended_by_its_name_or_as_the_only_one() -> None:
    """Which one must be clear."""
    model = serving()
    model.ask("shadow_start", version="2", starts=STARTS)
    model.ask("shadow_start", version="3", starts=STARTS)
    unclear = model.ask("shadow_stop")
    unknown = model.ask("shadow_stop", version="7")
    model.ask("shadow_stop", version="2")
    model.ask("shadow_stop")
    none = model.ask("shadow_stop")

    assert "say which shadow, by its version; shadows are: 2, 3" in unclear.reason
    assert "version 7 of flights is no shadow" in unknown.reason
    assert "shadows are: none" in none.reason
    assert model.deployment.shadows == ()


def test_what_can_not_be_a_shadow_is_refused_with_the_remedy() -> None:
    """Twice the same, nothing to score, too many, not validated, no start, no model."""
    model = serving()
    model.ask("shadow_start", version="2", starts=STARTS)
    again = model.ask("shadow_start", version="2", starts=STARTS)
    nothing = model.ask("shadow_start", version="3", share="0%", starts=STARTS)
    nowhere = model.ask("shadow_start", version="3", starts="soon")
    for version in ("3", "4", "5"):
        model.ask("shadow_start", version=version, starts=STARTS)
    many = model.ask("shadow_start", version="6", starts=STARTS)
    model.facts = VersionFacts(state="rejected", failure="golden vectors")
    rejected = model.ask("shadow_start", version="7", starts=STARTS)

    assert "stop it first to change its share" in again.reason
    assert "scores nothing" in nothing.reason
    assert "like 0=125,1=98" in nowhere.reason
    assert "4 are allowed: stop one first" in many.reason
    assert "not validated: golden vectors" in rejected.reason
    assert "penstock activate flights VERSION" in Model().ask("shadow_start", version="2", starts=STARTS).reason


def test_a_worker_that_can_not_have_it_ends_the_shadow_and_nothing_else() -> None:
    """Known by its salt: a signal about an earlier shadow of the same version changes nothing."""
    model = serving()
    model.ask("shadow_start", version="2", starts=STARTS)
    (shadow,) = model.deployment.shadows
    stale = model.signal("version_refused", version="2", role="shadow", salt=shadow.salt + 1)
    failed = model.signal("version_quarantined", version="2", role="shadow", salt=shadow.salt)

    assert stale.outcome == "ignored"
    assert failed.outcome == "acted"
    assert model.deployment.shadows == ()
    assert model.kinds == ["ShadowStarted", "ShadowFailed"]


def test_a_shadow_that_fails_is_no_reason_to_end_a_rollout_of_the_same_version() -> None:
    """A canary of the version goes on: what happened, happened in another process."""
    model = serving()
    model.ask("shadow_start", version="2", starts=STARTS)
    model.start()
    (shadow,) = model.deployment.shadows
    model.signal("version_refused", version="2", role="shadow", salt=shadow.salt)

    assert model.rollout.phase == "Running"
    assert model.deployment.shadows == ()


def test_a_barred_version_is_no_shadow_any_more() -> None:
    """Whoever bars it, and whatever for."""
    model = serving()
    model.ask("shadow_start", version="2", starts=STARTS)
    model.ask("bar", version="2", reason="leaks")
    withdrawn = WithdrawnVersion(version="3", state="retired", reason="old", issued_by="ann", decided_at=1)
    model.ask("shadow_start", version="3", starts=STARTS)

    assert [each.version for each in model.deployment.shadows] == ["3"]
    assert withdraw(model.deployment, replace(withdrawn)).shadows == ()


def test_shadows_outlive_rollouts_and_activations() -> None:
    """They are about requests, not about who serves."""
    model = serving()
    model.ask("shadow_start", version="3", starts=STARTS)
    model.start()
    model.ask("promote")
    model.serve("1")

    assert [each.version for each in model.deployment.shadows] == ["3"]
