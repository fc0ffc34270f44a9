"""A version whose bundle changed on disk after its validation is refused, so that the old one is known to go on."""

from pathlib import Path

import pytest

from penstock.registration import add_model
from penstock.roles.controller import rollout_defaults
from penstock.roles.shelf_desk import version_facts
from runtime.settings import Settings, load_settings
from schemas.events import Command
from streams.rollout.decisions import decide
from streams.rollout.inputs import CommandInput
from streams.rollout.verdicts import Decision
from tests.registry.samples import COLUMNS, flights, late_model

ACTIVATE = Command(
    command_id="c", model="flights", action="activate", arguments={"version": "1"}, issued_by="ann", issued_at=1
)


@pytest.mark.parametrize("file", ["estimator.skops", "manifest.json"])
def test_a_flipped_bit_on_the_shelf_refuses_the_activation(tmp_path: Path, file: str) -> None:
    """The decision names the check that failed; before the damage the same command is accepted."""
    settings = load_settings(data_dir=tmp_path)
    record = add_model("flights", late_model(), flights()[[*COLUMNS, "late"]], target="late", settings=settings)
    before = decided(settings)
    path = settings.registry_dir / "bundles" / record.bundle / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    after = decided(settings)

    assert before.outcome == "accepted"
    assert (after.outcome, after.state) == ("refused", None)
    assert "version 1 of flights can't serve: check 'hash' failed" in after.reason


def decided(settings: Settings) -> Decision:
    """The activation, on what the shelf says of the version now."""
    facts = {"1": version_facts(settings)("flights", "1")}
    return decide(None, CommandInput(command=ACTIVATE, facts=facts, defaults=rollout_defaults(settings.rollout)), 1)
