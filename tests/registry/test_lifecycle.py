"""What a version is, from the shelf's word and the deployment's; and that the table of changes is whole."""

import pytest

from registry.lifecycle import MEANINGS, TRANSITIONS, Standing, is_legal, standing_of
from schemas.events import BucketRange, DeploymentState, ServedVersion, WithdrawnVersion

ALL = (BucketRange(start=0, end=10_000),)


def deployment(*served: tuple[str, str], withdrawn: tuple[str, str] | None = None) -> DeploymentState:
    """Versions that serve, each with its arm; one that is withdrawn, with its state."""
    out = [] if withdrawn is None else [withdrawn]
    return DeploymentState(
        model="flights",
        generation=1,
        salt=1,
        versions=tuple(ServedVersion(version=version, bundle="b", arm=arm, buckets=ALL) for version, arm in served),
        previous_version=None,
        request_schema_id=1,
        prediction_schema_id=2,
        accepted_losses=(),
        command_id="c",
        decided_at=1,
        withdrawn=tuple(
            WithdrawnVersion(version=version, state=state, reason="r", issued_by="ann", decided_at=1)
            for version, state in out
        ),
    )


@pytest.mark.parametrize(
    ("shelf", "state", "was_active", "expected"),
    [
        ("validated", None, False, "validated"),
        ("approved", None, True, "superseded"),
        ("registered", deployment(("1", "live")), False, "registered"),
        ("validated", deployment(("1", "live")), True, "superseded"),
        ("validated", deployment(("2", "live")), True, "active"),
        ("approved", deployment(("1", "control"), ("2", "candidate")), False, "approved"),
        ("approved", deployment(("2", "control"), ("3", "candidate")), True, "active"),
        ("approved", deployment(("1", "live"), withdrawn=("2", "barred")), True, "barred"),
        ("validated", deployment(withdrawn=("2", "retired")), False, "retired"),
        ("approved", deployment(withdrawn=("2", "rejected")), False, "rejected"),
        ("rejected", deployment(("1", "live")), False, "rejected"),
    ],
)
def test_a_standing_is_derived(
    shelf: str,
    state: DeploymentState | None,
    was_active: bool,  # noqa: FBT001  a parameter of the test
    expected: str,
) -> None:
    """The deployment's word goes before the shelf's; a candidate in a rollout is not active yet."""
    assert standing_of(shelf, state, "2", was_active=was_active) == expected


def test_every_standing_can_be_reached_and_left_but_for_the_last() -> None:
    """Each has a meaning; from registration each is reached; only retirement has no way out."""
    reached: set[Standing] = set()
    waiting: list[Standing | None] = [None]
    while waiting:
        before = waiting.pop()
        found = {each.after for each in TRANSITIONS if (before in each.before if before else not each.before)}
        waiting += found - reached
        reached |= found
    left = {before for each in TRANSITIONS for before in each.before}

    assert set(MEANINGS) == set(Standing) == reached
    assert [each for each in Standing if is_legal(None, each)] == [Standing.REGISTERED]
    assert set(Standing) - left == {Standing.RETIRED}


def test_the_ways_into_service_are_few() -> None:
    """Nothing that is registered only, rejected, barred or retired becomes active by any change."""
    into_service = {before for each in TRANSITIONS if each.after is Standing.ACTIVE for before in each.before}

    assert into_service == {Standing.VALIDATED, Standing.APPROVED, Standing.SUPERSEDED}


def test_no_change_is_listed_twice() -> None:
    """One pair of standings and one event are one row."""
    rows = [(before, each.after, each.event) for each in TRANSITIONS for before in each.before]

    assert len(rows) == len(set(rows))
