"""``combine``: S3's med and more, from the command line to the file and its record."""

import errno
import os
import shlex
import tempfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ap_masters import record as records
from ap_masters.images import read_image, write_image
from ap_masters.model import FrameType, Keyword, MasterStatus
from tests.builders import noisy, pixels_in, write_frame
from tests.cli.conftest import Run
from tests.nights import shoot, shoot_flats

COUNT = 5


@pytest.fixture
def stack(tmp_path: Path) -> NDArray[np.uint16]:
    """Five numbered biases in ``tmp_path / "die Nächte"``; their pixels, (frame, row, column)."""
    folder = tmp_path / "die Nächte"
    frames = []
    for number in range(1, COUNT + 1):
        frames.append(noisy(number))
        write_frame(folder / f"bias{number:04}.fit", frames[-1], IMAGETYP="BIAS", EXPTIME=0.0, EXPOSURE=0.0)
    return np.stack(frames)


@pytest.fixture
def night(tmp_path: Path, stack: NDArray[np.uint16]) -> Path:
    return tmp_path / "die Nächte"


def keywords(path: Path) -> dict[str, Keyword]:
    return {keyword.name: keyword for keyword in read_image(path)[0].keywords}


@pytest.mark.parametrize("suffix", [".xisf", ".fit"])
def test_the_median_is_the_default(run: Run, night: Path, stack: NDArray[np.uint16], suffix: str) -> None:
    """S3-01: pixel-wise median, in XISF or FITS by the output's suffix, in 0..1 of the 16-bit range."""
    output = night.parent / f"master bias{suffix}"
    done = run("combine", night, output)

    assert done.code == 0
    assert "median of 5 frames" in done.out
    np.testing.assert_array_equal(pixels_in(output), (np.median(stack, axis=0) / 65535).astype(np.float32))


@pytest.mark.parametrize("suffix", [".xisf", ".fits"])
def test_a_result_that_was_damaged_is_not_subtracted(run: Run, tmp_path: Path, suffix: str) -> None:
    """Its record has no sha256; the checksum that the file carries tells, when it is used and when it is looked at."""
    shoot(tmp_path / "biases", "BIAS")
    shoot_flats(tmp_path / "flats")
    bias, library = tmp_path / "bl" / f"masterBias{suffix}", tmp_path / "library"
    run("combine", tmp_path / "biases", bias)
    data = bytearray(bias.read_bytes())
    data[-2880] ^= 1
    bias.write_bytes(data)

    given = ("--engine", "numpy", "--stage", "flat", "--no-dark-flats", "--bias-master-dir", bias.parent)
    done = run("build", tmp_path / "flats", library, *given)

    assert done.code == 5
    assert "has changed since it was written" in done.out + done.err
    assert not list(library.rglob("masterFlat*"))
    assert run("inspect", bias).code == 1


@pytest.mark.parametrize("method", ["average", "min", "max"])
def test_other_methods(run: Run, night: Path, stack: NDArray[np.uint16], method: str) -> None:
    """--method: average, min and max of every pixel."""
    output = night.parent / "out.fit"
    run("combine", night, output, "--method", method)

    expected = {"average": stack.mean(axis=0), "min": stack.min(axis=0), "max": stack.max(axis=0)}[method]
    np.testing.assert_array_equal(pixels_in(output), (expected / 65535).astype(np.float32))


@pytest.mark.parametrize("form", ["files", "wildcard", "folder", "sequence", "list"])
def test_every_form_of_input_means_the_same(run: Run, night: Path, form: str) -> None:
    """S3-02: files, a wildcard the program expands itself, a folder, a numbered sequence, @list."""
    (night / "list.txt").write_text("".join(f"bias{n:04}.fit\n" for n in range(1, COUNT + 1)), encoding="utf-8")
    forms: dict[str, list[object]] = {
        "files": [*sorted(night.glob("*.fit"))],
        "wildcard": [night / "bias*.fit"],
        "folder": [night],
        "sequence": [night / "bias0001.fit"],
        "list": [f"@{night / 'list.txt'}"],
    }

    done = run("combine", *forms[form], night.parent / "out.xisf", "--json")

    assert [Path(frame["path"]).name for frame in done.document["result"]["frames"]] == [
        f"bias{n:04}.fit" for n in range(1, COUNT + 1)
    ]


def test_rejection_takes_out_an_outlier(run: Run, night: Path, stack: NDArray[np.uint16]) -> None:
    """One sample far off in one frame leaves the average of the others."""
    spoiled = stack.copy()
    spoiled[2, 3, 4] = 60000
    write_frame(night / "bias0003.fit", spoiled[2], IMAGETYP="BIAS")
    output = night.parent / "out.xisf"

    done = run("combine", night, output, "--method", "average", "--rejection", "minmax", "--json")

    trimmed = np.sort(spoiled, axis=0)[1:-1].mean(axis=0)
    np.testing.assert_allclose(pixels_in(output), trimmed / 65535, rtol=1e-6)
    assert done.document["result"]["rejected_high"] == stack[0].size


@pytest.mark.parametrize(
    ("kind", "grade"),
    [
        pytest.param((), "below minimum", id="biases"),
        pytest.param(("--type", "dark"), "minimum", id="darks"),
        pytest.param(("--type", "light"), None, id="lights, which are not counted"),
    ],
)
def test_the_grade_is_that_of_the_type_and_the_number(
    run: Run, night: Path, tmp_path: Path, kind: tuple[str, ...], grade: str | None
) -> None:
    """As a build has it, by the policy that is set; a frame that is left out does not count."""
    write_frame(night / "bias0006.fit", noisy(6, shape=(4, 4)), IMAGETYP="BIAS")
    policy = tmp_path / "policy.toml"
    policy.write_text("[counts]\ndark = {minimum = 5, recommended = 6, optimal = 9}\n", encoding="utf-8")
    output = tmp_path / "out.xisf"

    run("combine", night, output, *kind, "--config", policy)

    assert records.read(output.with_suffix(".xrs")).grade == grade
    assert (f"from 5 frames ({grade})" if grade else "from 5 frames\n") in run("inspect", output).out


@pytest.mark.parametrize("word", ["dark flat", "dark-flat", "DarkFlat", "dark_flat"])
def test_a_type_is_a_word_however_it_is_joined(run: Run, night: Path, word: str) -> None:
    """As build takes it (--type), and a shell without quotes."""
    output = night.parent / "out.xisf"

    assert run("combine", night, output, "--type", word).code == 0
    assert records.read(output.with_suffix(".xrs")).key.type is FrameType.DARK_FLAT


def test_a_type_that_is_none_is_answered_with_those_there_are(run: Run, night: Path) -> None:
    """Lights among them, which no build makes masters of."""
    done = run("combine", night, night.parent / "out.xisf", "--type", "drak")

    assert done.code == 2
    assert "'drak' is none of bias, dark, dark flat, flat, light" in " ".join(done.err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("says", "kind", "warned"),
    [
        pytest.param(
            "BIAS", "flat", "4 of 5 frames say bias (keyword IMAGETYP 'BIAS'), and are taken for flat", id="no"
        ),
        pytest.param("BIAS", "bias", None, id="the same"),
        pytest.param("DARK", "dark flat", None, id="what no program has a word for"),
    ],
)
def test_frames_that_say_they_are_something_else_are_warned_of(
    run: Run, night: Path, says: str, kind: str, warned: str | None
) -> None:
    """Headers can be wrong, so the user's word counts; a frame that says nothing contradicts nobody."""
    for number in range(1, COUNT + 1):
        (night / f"bias{number:04}.fit").unlink()  # its name would say it, too
        write_frame(night / f"{number:04}.fit", IMAGETYP=None if number == COUNT else says)
    output = night.parent / "out.xisf"

    done = run("combine", night, output, "--type", kind)

    assert done.code == 0
    assert str(keywords(output)["IMAGETYP"].value).startswith(f"Master {kind.title().split()[0]}")
    assert warned in done.err if warned else "taken for" not in done.err


def test_sigma_limits_are_taken(run: Run, night: Path) -> None:
    """--sigma-low and --sigma-high reach the record."""
    output = night.parent / "out.xisf"
    run("combine", night, output, "--rejection", "sigma", "--sigma-low", "2.5", "--sigma-high", "2")

    recipe = records.read(output.with_suffix(".xrs")).recipe

    assert (recipe.rejection, recipe.sigma_low, recipe.sigma_high) == ("sigma", 2.5, 2.0)


@pytest.mark.parametrize(("rejection", "told"), [("none", True), ("percentile", True), ("averaged", False)])
def test_sigma_limits_that_change_nothing_are_told(run: Run, night: Path, rejection: str, told: bool) -> None:
    """Whoever types them expects something of them."""
    done = run("combine", night, night.parent / "out.xisf", "--rejection", rejection, "--sigma-low", "1")

    assert done.code == 0
    assert ("change nothing" in done.err) is told


def test_auto_rejection_is_resolved_by_count(run: Run, night: Path) -> None:
    """Five frames: percentile clipping, by WBPP's rule; the record says which it was."""
    output = night.parent / "out.xisf"
    run("combine", night, output, "--rejection", "auto")

    assert records.read(output.with_suffix(".xrs")).recipe.rejection == "percentile"


def test_the_record_stands_beside_the_file(run: Run, night: Path) -> None:
    """What went in, with what came out of it; published, because the user put it there."""
    output = night.parent / "master.xisf"
    run("combine", night, output)

    record = records.read(output.with_suffix(".xrs"))

    assert record.status is MasterStatus.PUBLISHED
    assert record.key.type is FrameType.BIAS
    assert record.master.size == output.stat().st_size
    assert [entry.path.name for entry in record.inputs] == [f"bias{n:04}.fit" for n in range(1, COUNT + 1)]


def test_without_a_record(run: Run, night: Path) -> None:
    """--no-record leaves the file alone, and nothing else in its folder."""
    before = set(night.parent.iterdir())
    run("combine", night, night.parent / "master.xisf", "--no-record")

    assert set(night.parent.iterdir()) - before == {night.parent / "master.xisf"}


def test_the_header_says_what_it_is(run: Run, night: Path) -> None:
    """A master bias of five frames, with what they all state; what differs is not said."""
    write_frame(night / "bias0005.fit", noisy(5), IMAGETYP="BIAS", GAIN=200)
    output = night.parent / "master.fit"
    run("combine", night, output)

    cards = keywords(output)

    assert cards["IMAGETYP"].value == "Master Bias"
    assert cards["NCOMBINE"].value == COUNT
    assert cards["OFFSET"].value == 50
    assert "GAIN" not in cards


def test_counts_on_request(run: Run, night: Path, stack: NDArray[np.uint16]) -> None:
    """--scale adu keeps the numbers of the frames, and tells the median in them."""
    output = night.parent / "master.fit"
    counts = run("combine", night, output, "--scale", "adu")
    unit = run("combine", night, night.parent / "unit.fit")

    np.testing.assert_array_equal(pixels_in(output), np.median(stack, axis=0).astype(np.float32))
    middle = np.median(pixels_in(output))
    assert f", median {middle:.1f} ADU, in" in counts.out
    assert f", median {middle / 65535:.6f}, in" in unit.out


def test_one_file_that_no_number_continues_is_told_how_to_name_more(run: Run, tmp_path: Path) -> None:
    """The time in the names of an ASIAIR changes with the number, so that none of them follows another."""
    night = tmp_path / "night"
    for n in range(3):
        name = f"Bias_1.0ms_Bin1_gain100_20240105-20311{n}_-10.0C_000{n + 1}.fit"
        write_frame(night / name, noisy(n), IMAGETYP="Bias")
    first = min(night.iterdir())

    done = run("combine", first, tmp_path / "out.fit")

    assert done.code == 3
    assert "1 of 1 file can be combined; two are needed" in done.err
    assert f"their folder ({night}) or a wildcard (as {night / '*.fit'}): one file stands for its seq" in done.err
    assert run("combine", night, tmp_path / "out.fit").code == 0


def test_a_disk_that_cannot_be_written_is_told_with_the_place_that_was_named(
    run: Run, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not with that of a work folder, nor with an error's number."""

    def refuse(*args: object, **kwargs: object) -> str:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(night.parent / ".ap-masters-x"))

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    output = night.parent / "master.fit"
    done = run("combine", night, output)

    assert done.code == 1
    assert f"{output}: nothing can be written to its folder: Read-only file system; name another" in done.err
    assert "Errno" not in done.err
    assert ".ap-masters" not in done.err


def test_frames_of_unknown_type_make_no_master_of_a_type(run: Run, night: Path) -> None:
    """The result does not claim what nobody said; --type says it."""
    for number, path in enumerate(sorted(night.glob("*.fit"))):
        path.rename(night / f"x{number}.fit")
        write_frame(night / f"x{number}.fit", noisy(number), IMAGETYP=None)

    run("combine", night, night.parent / "a.fit")
    run("combine", night, night.parent / "b.fit", "--type", "dark")

    assert "IMAGETYP" not in keywords(night.parent / "a.fit")
    assert keywords(night.parent / "b.fit")["IMAGETYP"].value == "Master Dark"


def test_an_output_that_is_there_stays(run: Run, night: Path) -> None:
    """Nothing is overwritten silently; --overwrite says so."""
    output = night.parent / "master.xisf"
    assert run("combine", night, output).code == 0
    precious = output.read_bytes()

    refused = run("combine", night, output, "--method", "average")
    assert (refused.code, output.read_bytes()) == (2, precious)
    assert "--overwrite replaces it" in refused.err

    assert run("combine", night, output, "--method", "average", "--overwrite").code == 0
    assert output.read_bytes() != precious


@pytest.mark.parametrize("recorded", [True, False])
def test_an_output_that_another_program_has_open_keeps_its_record(
    run: Run, night: Path, monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    """Windows replaces no file that is open; the record beside it goes on telling of what is there, if there is one."""
    output = night.parent / "med.fit"
    run("combine", night, output, *([] if recorded else ["--no-record"]))
    before = {path.name: path.read_bytes() for path in night.parent.glob("med.*")}
    replace = Path.replace

    def refuse_output(path: Path, target: Path) -> Path:
        if Path(target) == output:
            raise PermissionError(errno.EACCES, "it is open in another program", str(path))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refuse_output)

    refused = run("combine", night, output, "--method", "average", "--overwrite")

    assert refused.code == 1
    assert "close it in other programs" in refused.err
    assert {path.name: path.read_bytes() for path in night.parent.glob("med.*")} == before


def test_what_stands_where_the_record_goes_stays(run: Run, night: Path) -> None:
    """A text of the user's own, or the record of a master that is gone."""
    output = night.parent / "master.fits"
    output.with_suffix(".xrs").write_text("mine", encoding="utf-8")

    refused = run("combine", night, output)
    assert (refused.code, output.with_suffix(".xrs").read_text(encoding="utf-8")) == (2, "mine")
    assert not output.exists()
    assert run("combine", night, output, "--overwrite").code == 0


def test_as_many_frames_of_two_sizes_are_no_group(run: Run, night: Path) -> None:
    """Which of them are meant is not for the program to say."""
    for number in range(len(list(night.glob("*.fit")))):
        write_image(night / f"small {number}.fit", np.zeros((10, 20), np.uint16), image_type="Dark")

    refused = run("combine", night, night.parent / "out.xisf")

    assert refused.code != 0
    assert "20x10x1" in refused.err
    assert not (night.parent / "out.xisf").exists()


def test_no_frame_is_ever_replaced(run: Run, night: Path) -> None:
    """``combine *.fit`` names the last frame as the output: what --overwrite replaces is what was combined before."""
    frames = sorted(night.glob("*.fit"))
    before = frames[-1].read_bytes()

    for option in ((), ("--overwrite",)):
        refused = run("combine", *frames, *option)
        assert (refused.code, frames[-1].read_bytes()) == (2, before)
        assert "is a frame" in refused.err
        assert "--overwrite" not in refused.err
    frames[-1].write_bytes(before[:3000])  # nor one that is still being copied
    assert run("combine", *frames, "--overwrite").code == 2
    assert frames[-1].read_bytes() == before[:3000]


def test_a_master_of_a_library_is_left_to_the_library(run: Run, night: Path) -> None:
    """A build keeps what it replaces; what was combined into a library may be combined anew."""
    library = night.parent / "library"
    assert run("build", night, library, "--min-frames", "2").code == 0
    (master,) = (library / "master").glob("*.xisf")
    precious = master.read_bytes()

    refused = run("combine", night, master, "--overwrite")
    assert (refused.code, master.read_bytes()) == (2, precious)
    assert "library import" in refused.err

    record = records.record_path(master)
    records.write(records.read(record).model_copy(update={"history": (), "status": MasterStatus.CANDIDATE}), record)
    assert run("combine", night, master, "--overwrite").code == 2, "as a script leaves it that was run by hand"

    for _ in range(2):
        assert run("combine", night, library / "mine.xisf", "--overwrite").code == 0
    (library / "mine.xisf").unlink()
    assert "record of a master that is gone" in run("combine", night, library / "mine.xisf").err


def test_what_is_combined_into_a_library_serves_once_it_is_published(run: Run, night: Path) -> None:
    """Like all masters there it is judged first; what is combined elsewhere is nobody's business."""
    library = night.parent / "my library"
    assert run("build", night, library, "--min-frames", "2").code == 0
    own = library / "mine.xisf"

    told = run("combine", night, own)
    assert told.code == 0
    assert "serves nothing before it is judged" in told.err
    assert records.read(records.record_path(own)).status is MasterStatus.CANDIDATE
    assert "serves nothing" not in run("combine", night, night.parent / "elsewhere.xisf").err

    (command,) = (line for line in told.err.splitlines() if "library publish" in line)
    words = shlex.split(command[command.index("ap-masters library publish") :])
    assert run(*words[1:]).code == 0
    assert records.read(records.record_path(own)).status is MasterStatus.PUBLISHED


def test_nothing_is_combined_into_a_library_without_a_record(run: Run, night: Path) -> None:
    """A master without one is taken for another program's, and would serve at once."""
    library = night.parent / "library"
    assert run("build", night, library, "--min-frames", "2").code == 0

    refused = run("combine", night, library / "mine.xisf", "--no-record")

    assert refused.code == 2
    assert "leave out --no-record" in refused.err
    assert not (library / "mine.xisf").exists()


def test_what_does_not_belong_together_is_told(run: Run, night: Path) -> None:
    """Sensors upside down, frames that were calibrated before, and [0, 1] beside counts."""
    frames = sorted(night.glob("*.fit"))
    for path in frames[:2]:
        write_frame(path, noisy(1), IMAGETYP="BIAS", ROWORDER="BOTTOM-UP", CALSTAT="BD")

    told = run("combine", night, night.parent / "out.xisf").err

    assert "differ in row order" in told
    assert "differ in calibration state" in told

    for i, path in enumerate(frames):
        pixels = noisy(i).astype(np.float32)
        write_frame(path, pixels / 65535 if i % 2 else pixels, IMAGETYP="BIAS")
    assert "on one scale" in run("combine", night, night.parent / "floats.xisf").err


def test_a_record_belongs_to_one_file(run: Run, night: Path) -> None:
    """The same name in the other format would take it away."""
    assert run("combine", night, night.parent / "out.fits").code == 0

    refused = run("combine", night, night.parent / "out.xisf")

    assert refused.code == 2
    assert "out.fits" in refused.err
    assert run("combine", night, night.parent / "out.xisf", "--no-record").code == 0


def test_its_own_output_is_no_input(run: Run, night: Path) -> None:
    """``combine *.fit master.fit --overwrite`` twice stacks the same frames twice."""
    output = night / "master.fit"
    for _ in range(2):
        done = run("combine", night / "*.fit", output, "--overwrite", "--json")

    assert len(done.document["result"]["frames"]) == COUNT


def test_what_cannot_be_used_is_left_out_and_said(run: Run, night: Path) -> None:
    """A broken file and one of another size: the others are stacked, both are named."""
    (night / "bias0001.fit").write_bytes(b"")
    write_frame(night / "bias0002.fit", noisy(2, shape=(4, 4)), IMAGETYP="BIAS")

    done = run("combine", night, night.parent / "out.xisf")

    assert done.code == 0
    assert "3 frames" in done.out
    assert "bias0001.fit left out: unreadable" in done.err
    assert "bias0002.fit left out: different geometry: is 4x4x1; 3 others are 16x12x1" in done.err


def test_a_frame_that_is_left_out_is_told_once(run: Run, night: Path) -> None:
    """Of another sample type, which shows when the frames are opened; where too few stay, the failure names it."""
    for number in (1, 2):
        write_frame(night / f"bias{number:04}.fit", noisy(number).astype(np.float32), IMAGETYP="BIAS")
    done = run("combine", night, night.parent / "out.xisf")
    failed = run("combine", *sorted(night.glob("*.fit"))[1:4], night.parent / "two.xisf", "--rejection", "minmax")

    assert [done.err.count(f"bias{number:04}.fit") for number in (1, 2)] == [1, 1]
    assert "bias0001.fit left out: different geometry: is 16 x 12, float32" in done.err
    assert failed.code == 5
    assert "1 could not be used, the first, bias0002.fit, because it is 16 x 12, float32" in failed.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(("missing.fit", "out.fit"), 2, "missing.fit: there is no such file", id="no such file"),
        pytest.param(("dark*.fit", "out.fit"), 3, "no file matches", id="no match"),
        pytest.param(("bias0005.fit", "out.fit"), 3, "1 of 1 file can be combined; two are needed", id="one file"),
        pytest.param(
            ("bias0005.fit", "bias0005.fit", "out.fit"), 3, "is one file, which was named 2 times", id="twice"
        ),
        pytest.param((".", "out.tif"), 2, "the output's suffix says its format", id="no known suffix"),
        pytest.param(("bias0001.fit", "."), 2, "is a folder", id="output is a folder"),
        pytest.param((".", "out.fit", "--memory", "lots"), 2, "flag --memory: memory = lots", id="no amount"),
        pytest.param((".", "out.fit", "--sigma-low", "99"), 2, "--sigma-low", id="out of range"),
    ],
)
def test_what_makes_no_sense_is_refused(
    run: Run, night: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, message: str
) -> None:
    """With the exit code of its kind, and nothing written."""
    monkeypatch.chdir(night)
    before = set(night.iterdir())

    done = run("combine", *arguments)

    assert done.code == code
    assert message in done.err
    assert set(night.iterdir()) == before


def test_min_max_rejection_of_all_there_is_is_refused(run: Run, night: Path) -> None:
    """Of two frames nothing would be left but their median; three make a master."""
    frames = sorted(night.glob("*.fit"))
    two = run("combine", *frames[:2], night / "out.xisf", "--rejection", "minmax")
    three = run("combine", *frames[:3], night / "out.xisf", "--rejection", "minmax")

    assert two.code == 3
    assert "2 of 2 files can be combined, 3 are needed for min-max rejection of the 1 lowest" in two.err
    assert "choose another --rejection" in two.err
    assert three.code == 0


def test_json_tells_of_a_failure_too(run: Run, night: Path) -> None:
    """One document, whatever happened."""
    done = run("combine", night / "missing.fit", night / "out.fit", "--json")

    assert done.document["error"]["exit_code"] == done.code == 2
    assert "missing.fit" in done.document["error"]["message"]


def test_a_mixture_is_told(run: Run, tmp_path: Path) -> None:
    """The user may know better; a bias among darks is worth a word all the same."""
    darks = [write_frame(tmp_path / f"dark{n}.fits", noisy(n), EXPTIME=300 + n / 1e4) for n in range(3)]
    bias = write_frame(tmp_path / "bias.fits", noisy(9), IMAGETYP="BIAS", EXPTIME=0.0, EXPOSURE=0.0)

    mixed = run("combine", *darks, bias, tmp_path / "mixed.xisf", "--json")
    alike = run("combine", *darks, tmp_path / "alike.xisf", "--json")

    assert mixed.code == 0
    assert mixed.document["warnings"] == [
        "the frames differ in type: dark (3), bias (1)",
        "the frames differ in exposure: 300.0 (3), 0.0 (1)",
    ]
    assert alike.document["warnings"] == []
