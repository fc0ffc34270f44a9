"""The journal: every decision made again gives the same bytes, and nothing can be altered without its showing."""

from dataclasses import replace

import orjson
import pytest

from schemas.events import JournalEntry
from streams.rollout.journal import explain, replay
from tests.streams.rollouts import MINUTE, Model, serving


@pytest.fixture
def model() -> Model:
    """A canary from its start to its promotion, with a refusal, a pause and a reading on the way."""
    model = serving()
    model.start(pins="entity:N1")
    model.ask("resume")
    model.ask("pause")
    model.ask("resume")
    for _ in range(60):
        model.labels({"1": 0.1, "2": 0.1})
        model.tick(MINUTE)
    assert model.rollout.phase == "Successful"
    return model


def test_a_whole_journal_is_made_again(model: Model) -> None:
    """Without a fault, and each state is the one that the next entry begins with."""
    assert [found.faults for found in replay(model.journal)] == [()] * len(model.journal)


def test_every_altered_input_changes_or_fails_its_decision(model: Model) -> None:
    """Each leaf of each journalled input, one after the other: a number more, a letter more, the other truth."""
    altered = [(entry, input_) for entry in model.journal[:12] for input_ in alterations(entry.input)]

    assert len(altered) > 300
    for entry, input_ in altered:
        before = chain_before(model.journal, entry)
        assert explain(replace(entry, input=input_), chain=before).faults, input_


def alterations(text: str) -> list[str]:
    """The JSON with one leaf changed, for each leaf."""
    content = orjson.loads(text)
    found = []
    for path in leaves(content):
        changed = orjson.loads(text)
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = other(inner[path[-1]])
        found.append(orjson.dumps(changed, option=orjson.OPT_SORT_KEYS).decode())
    return found


def leaves(content: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(content, dict):
        return [leaf for key, value in content.items() for leaf in leaves(value, (*path, key))]
    if isinstance(content, list):
        return [leaf for index, value in enumerate(content[:2]) for leaf in leaves(value, (*path, index))]
    return [path]


def other(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value}x" if isinstance(value, str) else "x"


def chain_before(journal: list[JournalEntry], entry: JournalEntry) -> str:
    return journal[entry.sequence - 1].digest if entry.sequence else ""


@pytest.mark.parametrize("name", ["state_before", "state_after", "actions", "outcome", "reason", "now", "command_id"])
def test_every_altered_part_of_an_entry_shows(model: Model, name: str) -> None:
    """Not only inputs: what was decided and when as well."""
    entry = next(each for each in model.journal if each.actions and each.state_before)
    changes: dict[str, object] = {
        "state_before": (entry.state_before or "").replace('"generation":1', '"generation":9'),
        "state_after": (entry.state_after or "").replace("canary", "ab"),
        "actions": (),
        "outcome": "refused",
        "reason": "because",
        "now": entry.now + 1,
        "command_id": "another",
    }

    assert explain(replace(entry, **{name: changes[name]}), chain=None).faults  # type: ignore[arg-type]  # one at a time


def test_what_left_the_journal_and_what_came_into_it_shows(model: Model) -> None:
    """A missing entry breaks the chain of states and of digests; so does one that was put in."""
    missing = [*model.journal[:5], *model.journal[6:]]
    doubled = [*model.journal[:5], model.journal[4], *model.journal[5:]]

    assert any(found.faults for found in replay(missing))
    assert any(found.faults for found in replay(doubled))


def test_an_entry_that_can_not_be_read_says_so(model: Model) -> None:
    """Junk for an input or a state is a fault in words, not an exception."""
    entry = model.journal[3]

    for changed in (replace(entry, input="{}"), replace(entry, input="junk"), replace(entry, state_before='{"a": 1}')):
        found = explain(changed, chain=None)
        assert found.decision is None
        assert "can't be read" in found.faults[-1]


def test_a_journal_that_begins_late_can_be_replayed_from_there(model: Model) -> None:
    """Retention deletes old entries; what is left is checked against itself."""
    assert [found.faults for found in replay(model.journal[4:])] == [()] * (len(model.journal) - 4)
