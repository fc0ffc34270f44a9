"""Strikes are counted however they came to be written, within one generation."""

from dataclasses import replace
from pathlib import Path

from streams.scoring.strikes import Strikes
from tests.streams.test_loading import deployment


def test_what_faulthandler_left_is_a_strike(tmp_path: Path) -> None:
    """One of the watchdog's and one of a call that held the interpreter make two; another generation has none."""
    state = deployment("1")
    version = state.versions[0].version
    strikes = Strikes(tmp_path)
    strikes.add(state.model, version, state.generation, "did not come back")
    file = strikes.held(state.model, version, state.generation)
    assert file is not None
    before = strikes.quarantined(state)
    file.write('Timeout (0:01:03)!\nThread 0x1 (most recent call first):\n  File "re.py", line 1 in match\n')
    file.flush()
    again = Strikes(tmp_path).quarantined(state)

    assert before == {}
    assert "held the interpreter" in again[version]
    assert strikes.held(state.model, version, state.generation) is file
    assert strikes.quarantined(replace(state, generation=state.generation + 1)) == {}
    file.close()


def test_a_new_generation_has_a_file_of_its_own(tmp_path: Path) -> None:
    """The one before is closed: a process that runs for long holds one for each version."""
    strikes = Strikes(tmp_path)
    first = strikes.held("m", "1", 1)
    second = strikes.held("m", "1", 2)

    assert first is not None
    assert second is not None
    assert (first.closed, second.closed) == (True, False)
    second.close()


def test_a_folder_that_can_t_be_made_stops_nothing(tmp_path: Path) -> None:
    """Where the disk gives no file, there is none, and the limit of the watchdog's own thread remains."""
    (tmp_path / "file").write_text("")

    assert Strikes(tmp_path / "file" / "strikes").held("m", "1", 1) is None
