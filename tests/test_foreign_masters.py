"""Masters of other programs are read as masters, serve flats and lights, and tell where they contradict themselves."""

from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from ap_masters import record as records
from ap_masters.images import write_image
from ap_masters.model import Keyword
from tests.nights import SENSOR, half_full, shoot, shoot_flats
from tests.program import Run

CAMERA = "ZWO ASI2600MM Pro"
LENIENT = ("--lenient-unknown",)


def keywords(*history: str, **cards: Any) -> tuple[Keyword, ...]:
    """Return cards (``SET_TEMP`` for SET-TEMP) and lines of HISTORY."""
    named = (Keyword(name.replace("_", "-"), value) for name, value in cards.items())
    return (*named, *(Keyword("HISTORY", None, line) for line in history))


def wbpp(image_type: str, **cards: Any) -> tuple[Keyword, ...]:
    """What WBPP 2 leaves on a master: every value is text, and gain, offset and temperature are gone."""
    return (
        Keyword("COMMENT", None, "PixInsight image preprocessing pipeline"),
        Keyword("COMMENT", None, "Master frame generated with Weighted Batch Preprocessing Script v2.5.9"),
        *keywords("ImageIntegration.numberOfImages: 30", IMAGETYP=image_type, XBINNING="1", YBINNING="1"),
        *keywords(INSTRUME=CAMERA, EGAIN="0.25", DATE_OBS="2026-01-10T20:00:00", **cards),
    )


def siril(image_type: str, exposure: float) -> tuple[Keyword, ...]:
    """What Siril 1.4 writes: the type of the raw frames, STACKCNT, and how it stacked."""
    return keywords(
        "mean stacking with winsorized sigma clipping rejection (low=3.000 high=3.000), unnormalized input",
        PROGRAM="Siril 1.4.0-beta4",
        IMAGETYP=image_type,
        EXPTIME=exposure,
        INSTRUME=CAMERA,
        GAIN=100,
        OFFSET=50,
        CVF=0.25,
        SET_TEMP=-10.0,
        CCD_TEMP=-10.0,
        XBINNING=1,
        YBINNING=1,
        STACKCNT=30,
        LIVETIME=30 * exposure,
        DATE_OBS="2026-01-11T20:00:00",
    )


def anawbpps(image_type: str, exposure: float) -> tuple[Keyword, ...]:
    """What the ANAWBPPS script writes."""
    return keywords(
        IMAGETYP=image_type,
        EXPTIME=exposure,
        TELESCOP="REDCAT 51",
        INSTRUME=CAMERA,
        GAIN=100,
        OFFSET=50,
        SET_TEMP=-10.0,
        XBINNING=1,
        YBINNING=1,
        READOUTM="Low Noise",
        USBLIMIT=40,
        DATE_OBS="2026-01-29T18:00:00",
    )


class Foreign(NamedTuple):
    """A master of another program: its name, its cards, what it is, and flags without which it does not serve."""

    name: str
    cards: tuple[Keyword, ...]
    type: str
    exposure: float
    origin: str
    flags: tuple[str, ...] = LENIENT
    image_type: str = ""
    sample: str = "float32"


APP = {"SOFTWARE": "Astro Pixel Processor by Aries Productions", "VERSION": "2.0.0", "INSTRUME": CAMERA}

MASTERS = {
    "WBPP bias": Foreign(
        "masterBias_BIN-1_96x64_GAIN-100_OFFSET-50_SETTEMP--10.00_READOUTM-Low Noise_USBLIMIT-40.xisf",
        wbpp("Master Bias"),
        "bias",
        0.0,
        "Weighted Batch Preprocessing Script v2.5.9",
        (),
        "MasterBias",
    ),
    "WBPP dark": Foreign(
        "masterDark_BIN-1_96x64_EXPOSURE-2.00s_SETTEMP--10.00_OFFSET-50_GAIN-100_READOUTM-Low Noise_USBLIMIT-40.xisf",
        wbpp("Master Dark", EXPTIME="2.00"),
        "dark",
        2.0,
        "Weighted Batch Preprocessing Script v2.5.9",
        (),
        "MasterDark",
    ),
    "WBPP flat": Foreign(
        "masterFlat_BIN-1_96x64_FILTER-L_mono.xisf",
        wbpp("Master Flat", FILTER="L", EXPTIME="2.00"),
        "flat",
        2.0,
        "Weighted Batch Preprocessing Script v2.5.9",
        LENIENT,
        "MasterFlat",
    ),
    "Siril bias": Foreign("bias_stacked.fit", siril("BIAS", 0.0001), "bias", 0.0, "Siril 1.4.0-beta4"),
    "Siril dark": Foreign("pp_dark_stacked.fit", siril("DARK", 2.0), "dark", 2.0, "Siril 1.4.0-beta4"),
    "APP dark": Foreign(
        "MD-IG_100.0-E2.0s.fits",
        keywords(**APP, IMAGETYP="MASTERDARK", EXPTIME=2.0, GAIN=100.0, NUMFRAME=30, CFAIMAGE="no"),
        "dark",
        2.0,
        "Astro Pixel Processor by Aries Productions",
    ),
    "APP dark flat": Foreign(
        "MDF-IG_100.0-E2.0s.fits",
        keywords(**APP, IMAGETYP="MASTERDARKFLAT", EXPTIME=2.0, GAIN=100.0, NUMFRAME=30),
        "dark flat",
        2.0,
        "Astro Pixel Processor by Aries Productions",
    ),
    "APP flat without IMAGETYP": Foreign(
        "MF-IG_100.0-E2.0s-L.fits",
        keywords(**APP, CALFRAME="MasterFlat", FILT_1="L", EXPTIME=2.0, NUMFRAME=30),
        "flat",
        2.0,
        "Astro Pixel Processor by Aries Productions",
    ),
    "ASIAIR bias": Foreign(
        "Bias_1.0ms_Bin1_gain100_-10.0C_Stack100.fit",
        keywords(CREATOR="ZWO ASIAIR Plus", IMAGETYP="Bias", EXPTIME=0.00100000004749745, INSTRUME=CAMERA)
        + keywords(GAIN=100, OFFSET=50, SET_TEMP=-10.0, CCD_TEMP=-10.0, XBINNING=1, YBINNING=1, STACKCNT=100)
        + keywords(FILTER="Dark", DATE_OBS="2026-01-13T20:00:00.000000"),
        "bias",
        0.0,
        "ZWO ASIAIR Plus",
        sample="uint16",
    ),
    "N.I.N.A. Live Stack dark": Foreign(
        "MASTER_DARK_2.00s_GAIN100.fits",
        keywords(IMAGETYP="DARK", EXPTIME=2.0, INSTRUME=CAMERA, GAIN=100, OFFSET=50, SET_TEMP=-10.0)
        + keywords(XBINNING=1, YBINNING=1, SWCREATE="N.I.N.A. 3.2.0.9001 (x64)"),
        "dark",
        2.0,
        "N.I.N.A. 3.2.0.9001 (x64)",
    ),
    "ap-create-master bias": Foreign(
        f"masterBias_INSTRUME_{CAMERA}_SET-TEMP_-10.00_GAIN_100_OFFSET_50_READOUTM_Low Noise.xisf",
        keywords("ImageIntegration.numberOfImages: 30", IMAGETYP="MASTER BIAS", XBINNING="1", YBINNING="1"),
        "bias",
        0.0,
        "",
        LENIENT,
        "MasterBias",
    ),
    "ap-create-master dark": Foreign(
        f"masterDark_EXPOSURE_2.00_GAIN_100_INSTRUME_{CAMERA}_OFFSET_50_READOUTM_Low Noise_SET-TEMP_-10.00.xisf",
        keywords("ImageIntegration.numberOfImages: 30", IMAGETYP="MASTER DARK", XBINNING="1", YBINNING="1"),
        "dark",
        2.0,
        "",
        LENIENT,
        "MasterDark",
    ),
    "ANAWBPPS dark": Foreign(
        "REDCAT_51_ZWO_MasterDark_2026_01_29_Low_Noise_G100_OS50_U40_Bin1x1_002s_-10C.xisf",
        anawbpps("MasterDark", 2.0),
        "dark",
        2.0,
        "",
        (),
        "MasterDark",
    ),
    "ANAWBPPS dark flat": Foreign(
        "REDCAT_51_ZWO_MasterDarkFlat_2026_01_29_Low_Noise_G100_OS50_U40_Bin1x1_002s_-10C.xisf",
        anawbpps("MasterDarkFlat", 2.0),
        "dark flat",
        2.0,
        "",
        (),
        "MasterDark",  # XISF has no word for dark flats
    ),
}

every_master = pytest.mark.parametrize("foreign", MASTERS.values(), ids=MASTERS)


def write_master(folder: Path, foreign: Foreign) -> Path:
    """Write the master with the level of its type, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / foreign.name
    level = SENSOR.transmission("L") * 0.4 if foreign.type == "flat" else SENSOR.bias / 65535
    pixels = level * 65535 if foreign.sample == "uint16" else level
    write_image(path, pixels.astype(foreign.sample), foreign.cards, image_type=foreign.image_type)
    return path


@every_master
def test_it_is_read_as_a_master_and_never_integrated(run: Run, tmp_path: Path, foreign: Foreign) -> None:
    """D10: beside raw frames it is set aside as a master; inspect tells what it is."""
    path = write_master(tmp_path / "night", foreign)
    shoot(tmp_path / "night", "BIAS", count=3)

    scan = run("scan", tmp_path / "night", "--json").document
    seen = run("inspect", path, "--json").document

    assert scan["masters"] == [str(path)]
    assert sum(len(group["frames"]) for group in scan["groups"]) == 3
    assert (seen["frame"]["master"], seen["frame"]["type"]) == (True, foreign.type)
    assert seen["frame"].get("exposure", 0.0) == pytest.approx(foreign.exposure, abs=0.002)
    assert foreign.origin in seen["frame"].get("software", "") or foreign.origin.startswith("Weighted")


@every_master
def test_it_serves(run: Run, tmp_path: Path, foreign: Foreign) -> None:
    """A flat of equal exposure, or a light for a master flat: what no program wrote is let pass only where asked."""
    path = write_master(tmp_path / "library", foreign)
    if foreign.type == "flat":
        (asked,) = shoot(tmp_path / "night", "LIGHT", 300.0, 1, light=0.5, band="L")
    else:
        (asked,) = shoot_flats(tmp_path / "night", count=1)

    done = run("match", asked, "--library", tmp_path / "library", *foreign.flags, "--json").document
    strict = run("match", asked, "--library", tmp_path / "library", "--json").document

    slot = {"dark flat": "dark"}.get(foreign.type, foreign.type)
    assert done["masters"][slot] == str(path)
    assert (strict["masters"][slot] == str(path)) is not bool(foreign.flags)
    assert not any("says" in warning for warning in done["warnings"])


@pytest.mark.parametrize("name", ["WBPP dark", "Siril dark", "ASIAIR bias", "ANAWBPPS dark flat"])
def test_flats_are_calibrated_with_it(run: Run, tmp_path: Path, name: str) -> None:
    """From the given folder, in its own scale and sample type: the level is that of light alone."""
    foreign = MASTERS[name]
    path = write_master(tmp_path / "given", foreign)
    shoot_flats(tmp_path / "night")
    given = ("--bias-master-dir" if foreign.type == "bias" else "--dark-master-dir", tmp_path / "given")

    done = run("build", tmp_path / "night", tmp_path / "library", *given, *foreign.flags, "--engine", "numpy")

    (record,) = (records.read(p) for p in (tmp_path / "library").rglob("masterFlat*.xrs"))
    assert done.code == 0
    assert record.calibration is not None
    assert [m.path for m in (record.calibration.bias, record.calibration.dark) if m] == [path]
    assert record.statistics is not None
    light = half_full(2.0) * 2.0 * 4 / 65535 * np.median(SENSOR.transmission("L"))  # 4 ADU for each electron
    assert record.statistics.channels[0].median == pytest.approx(light, rel=2e-3)


def test_a_foreign_dark_that_was_made_anew_makes_its_flats_stale(run: Run, tmp_path: Path) -> None:
    """It has no record: its content tells, and a mere copy of it changes nothing."""
    foreign = MASTERS["ANAWBPPS dark"]
    path = write_master(tmp_path / "given", foreign)
    shoot_flats(tmp_path / "night")
    command = (tmp_path / "night", tmp_path / "library", "--dark-master-dir", tmp_path / "given", "--engine", "numpy")
    run("build", *command)

    path.touch()
    copied = run("plan", *command, "--json").document
    write_master(tmp_path / "given", foreign._replace(cards=(*foreign.cards, Keyword("NCOMBINE", 50))))
    anew = run("plan", *command, "--json").document

    assert [step["action"] for stage in copied["stages"] for step in stage] == ["up to date"]
    ((step,),) = anew["stages"]
    assert (step["action"], step["reasons"]) == ("rebuild", [f"its dark {foreign.name} was rebuilt"])


def test_a_header_that_its_name_contradicts_holds_and_is_told(run: Run, tmp_path: Path) -> None:
    """S1-32: name, folder and header disagree; matching says so where the master is taken, the audit always."""
    odd = MASTERS["ANAWBPPS dark"]._replace(name="masterDark_GAIN_200_EXPOSURE_2.xisf")
    write_master(tmp_path / "library" / "flats", odd)
    (flat,) = shoot_flats(tmp_path / "night", count=1)

    done = run("match", flat, "--library", tmp_path / "library")
    audit = run("library", "audit", tmp_path / "library")

    for text in (done.err, audit.out):
        assert "the file name says gain 200 ('GAIN_200'), the header says 100" in text
        assert "the folder 'flats' says flat, the header says dark" in text


def test_match_tells_of_every_candidate_the_field_that_decided(run: Run, tmp_path: Path) -> None:
    """As a table and as JSON; the nearest first; a light by --for lights, whatever its header says."""
    for name in ("WBPP bias", "Siril dark", "ANAWBPPS dark", "ANAWBPPS dark flat", "APP dark"):
        write_master(tmp_path / "library", MASTERS[name])
    (flat,) = shoot_flats(tmp_path / "night", count=1)
    (light,) = shoot(tmp_path / "lights", "", 2.0, 1, light=0.5, band="L")

    table = run("match", flat, "--library", tmp_path / "library")
    document = run("match", flat, "--library", tmp_path / "library", "--json").document
    (dark,) = shoot(tmp_path / "darks", "DARK", 2.0, 1)
    taken = run("match", dark, "--library", tmp_path / "library", "--for", "light")
    of_light = run("match", light, "--library", tmp_path / "library", "--for", "lights", "--json").document

    assert table.out.splitlines()[0].split() == ["verdict", "master", "decided", "by", "reason"]
    fields = [(d["verdict"], d.get("field")) for d in document["decisions"]]
    assert fields[0] == ("taken", None)
    assert sorted(field or "" for _, field in fields[1:]) == ["binning", "readout mode", "type", "type"]
    assert all(d["reason"] in table.out for d in document["decisions"])
    assert "the frame says dark (keyword IMAGETYP 'DARK'), and is taken for light, as asked" in taken.err
    assert not any("as asked" in warning for warning in of_light["warnings"])
    assert of_light["masters"]["dark"].endswith(MASTERS["ANAWBPPS dark"].name)
    assert of_light["masters"]["flat"] is None


def test_match_says_what_would_help_where_nothing_serves(run: Run, tmp_path: Path) -> None:
    """S4-22: the field that failed for the nearest candidate, what would fix it, how many were searched and where."""
    write_master(tmp_path / "library" / "darks", MASTERS["ANAWBPPS dark"])
    (flat,) = shoot_flats(tmp_path / "night", 3.0, 1, at=datetime(2026, 2, 1, 17))

    done = run("match", flat, "--library", tmp_path / "library")

    assert done.code == 8
    assert "No dark flat, dark or bias serves flat 3 s, L" in done.err
    assert f"1 searched: 1 in the library {(tmp_path / 'library' / 'darks').as_posix()}" in done.err
    assert "(exposure 2 s, the flats have 3 s)" in done.err
    assert "What would help: scale a dark of another exposure (--scale-dark)" in done.err
