"""The status file: what a script says, and what is not taken for it."""

from pathlib import Path

import pytest

from ap_masters.engines.pixinsight.status import read_status
from ap_masters.model import JobState

GOOD = (
    '{"format": 1, "run": "mine", "state": "running", "time": "2026-01-29T12:34:56.000Z", "version": "1.9.4", "jobs": ['
    '{"id": "a", "state": "Success", "fraction": 1, "detail": "/x", "seconds": 1.5, "dropped": []},'
    '{"id": "b", "state": "Running", "fraction": 0.5, "detail": "", "seconds": 0, "dropped": ['
    '{"path": "/f", "reason": "could not be calibrated", "detail": "see the log"}]}]}'
)


def test_status(tmp_path: Path) -> None:
    """A status tells the version, the job at work, and each job's state."""
    path = tmp_path / "status.json"
    path.write_text(GOOD, encoding="ascii")
    status = read_status(path, "mine")

    assert status is not None
    assert (status.version, status.running) == ("1.9.4", "b")
    told = status.of("b")
    assert told is not None
    assert (told.state, told.dropped[0].path) == (JobState.RUNNING, Path("/f"))
    assert status.of("c") is None


@pytest.mark.parametrize(
    "text", [None, "", GOOD[:100], GOOD.replace("mine", "another's"), "[]", "\ufffd", '{"run": "mine", "state": "odd"}']
)
def test_no_status(tmp_path: Path, text: str | None) -> None:
    """A file that is not there, half written, strange or of another run is no news."""
    path = tmp_path / "status.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")

    assert read_status(path, "mine") is None
