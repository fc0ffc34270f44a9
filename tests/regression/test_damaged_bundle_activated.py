"""A version whose bundle changed on disk after its validation is refused, so that the old one is known to go on."""

from pathlib import Path

import pytest

from penstock.registration import add_model
from penstock.roles.controller import version_facts
from runtime.settings import load_settings
from schemas.events import Command
from streams.rollout.decisions import decide
from tests.registry.samples import COLUMNS, flights, late_model

ACTIVATE = Command(
    command_id="c", model="flights", action="activate", arguments={"version": "1"}, issued_by="ann", issued_at=1
)


@pytest.mark.parametrize("file", ["estimator.skops", "manifest.json"])
def test_a_flipped_bit_on_the_shelf_refuses_the_activation(tmp_path: Path, file: str) -> None:
    """The decision names the check that failed; before the damage the same command is accepted."""
    settings = load_settings(data_dir=tmp_path)
    record = add_model("flights", late_model(), flights()[[*COLUMNS, "late"]], target="late", settings=settings)
    before = decide(None, ACTIVATE, version_facts(settings)("flights", "1"), 1)
    path = settings.registry_dir / "bundles" / record.bundle / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    after = decide(None, ACTIVATE, version_facts(settings)("flights", "1"), 1)

    assert before.outcome == "accepted"
    assert (after.outcome, after.state) == ("refused", None)
    assert "version 1 of flights can't serve: check 'hash' failed" in after.reason
