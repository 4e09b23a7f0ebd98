"""A whole build whose PixInsight fails: exit code, words, what stands on disk, and that building again completes it."""

import json
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Any

import psutil
import pytest

from ap_masters.cli import main
from tests.builders import noisy, write_frame
from tests.program import left_running
from tests.simulator import COMMAND, SIMULATOR

GAINS = (10, 20, 30, 40)


class Builder:
    """Biases of several gains, built with the simulator as a user would build them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.night, self.library = folder / "night ü", folder / "library"
        self._patch = monkeypatch
        self._capsys = capsys
        for gain in GAINS:
            for i in range(3):
                path = self.night / f"gain{gain}" / f"bias_{i}.fits"
                date = f"2026-01-29T20:0{i}:00"
                pixels = noisy(gain + i)
                write_frame(path, pixels, IMAGETYP="BIAS", EXPTIME=0.0, EXPOSURE=0.0, GAIN=gain, DATE_OBS=date)
        monkeypatch.setenv("AP_SIM_STATE", str(folder / "state"))
        monkeypatch.setenv("AP_SIM_STARTUP", "0")
        monkeypatch.setenv("AP_SIM_ES5", "0")

    def build(
        self, fault: str = "", *, others: Collection[int] = (), **settings: str
    ) -> tuple[int, dict[str, Any], str]:
        """Build; return exit code, the JSON document and standard error.

        Nothing may still run afterwards but ``others``.
        """
        self._patch.setenv("AP_SIM_FAULT", fault)
        with self._patch.context() as patch, pytest.raises(SystemExit) as end:
            for name, value in settings.items():
                patch.setenv(name, value)
            main(["build", str(self.night), str(self.library), "--pixinsight-binary", str(SIMULATOR), "--json"])
        out, err = self._capsys.readouterr()
        assert left_running() <= set(others)
        document: dict[str, Any] = json.loads(out)
        return int(end.value.code or 0), document, err

    def masters(self) -> set[int]:
        """Return the gains whose masters stand in the library, each with its record."""
        found = sorted((self.library / "master").rglob("*.xisf"))
        assert all(path.with_suffix(".xrs").is_file() for path in found)
        return {gain for gain in GAINS for path in found if f"GAIN_{gain}_" in path.name}

    def leftovers(self) -> list[Path]:
        """Return what a build left behind that it should have cleared away."""
        return [
            path
            for path in self.library.rglob("*")
            if ".part" in path.name or path.parent.name.startswith("pixinsight-")
        ]


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Builder:
    return Builder(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("fault", "code", "words", "standing"),
    [
        pytest.param(
            "ii-false@gain10,half-master@gain20,nan@gain30,keyword-loss@gain40",
            4,
            ["Zero or insignificant signal", "not usable", "not finite"],
            {40},  # its keywords are put back
            id="one fault for each job",
        ),
        pytest.param("crash@gain20", 4, ["PixInsight"], {10, 30, 40}, id="crash"),
        pytest.param("throw", 5, ["Cannot execute instance"], set(), id="every job fails"),
        pytest.param("exit0", 7, ["without running the script"], set(), id="nothing runs"),
    ],
)
def test_a_build_that_fails_and_its_repetition(
    builder: Builder, fault: str, code: int, words: list[str], standing: set[int]
) -> None:
    """Exit code and message say what happened, whole masters stand and no others; the next build does the rest."""
    got, document, err = builder.build(fault)

    assert got == code
    assert [word for word in words if word not in json.dumps(document) + err] == []
    assert builder.masters() == standing
    assert builder.leftovers() == []

    assert builder.build()[0] == 0
    assert builder.masters() == set(GAINS)
    assert builder.leftovers() == []


def test_a_hanging_pixinsight_is_given_up(builder: Builder) -> None:
    """After the time without any sign of life, set by the environment here; the finished masters are kept."""
    got, document, err = builder.build("hang@gain40", AP_MASTERS_PIXINSIGHT__TIMEOUT_S="2")

    assert got == 4
    assert "PixInsight" in json.dumps(document) + err
    assert builder.masters() == {10, 20, 30}


def test_a_pixinsight_that_is_open_is_left_alone(builder: Builder) -> None:
    """Somebody works in the slot that the build would take: it goes on, and the build takes the next."""
    with subprocess.Popen([*COMMAND, "-n=123"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as other:
        assert other.stdout is not None
        while b"Copyright" not in other.stdout.readline():
            pass
        (worker,) = psutil.Process(other.pid).children()
        try:
            assert builder.build(others=(other.pid, worker.pid))[0] == 0
            assert other.poll() is None
            assert worker.is_running()
        finally:
            worker.kill()
            other.kill()
    assert builder.masters() == set(GAINS)
