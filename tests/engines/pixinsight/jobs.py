"""Small jobs for the tests of the PixInsight engine: frames that exist by name only, or on disk; and the engine."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ap_masters.config import PixInsightSettings
from ap_masters.engines.pixinsight import PixInsightEngine
from ap_masters.model import (
    Calibration,
    CalibrationMaster,
    FrameType,
    Grade,
    Group,
    GroupKey,
    Job,
    Keyword,
    Normalization,
    Recipe,
    Rejection,
    RejectionNormalization,
)
from tests.builders import make_frame

_IMAGE_TYPE = {FrameType.BIAS: "MasterBias", FrameType.FLAT: "MasterFlat"}


def make_engine(command: Sequence[str], **changes: Any) -> PixInsightEngine:
    """Return the engine as it is where nothing is set, but for ``changes``."""
    usual = PixInsightSettings().model_dump(exclude={"binary"})
    return PixInsightEngine(command, **usual | changes)


def make_job(
    frame_type: FrameType = FrameType.DARK,
    *,
    paths: Sequence[Path] = (Path("/night/dark 1.fits"), Path("/night/dark 2.fits"), Path("/night/dark 3.fits")),
    key: dict[str, Any] | None = None,
    recipe: Recipe | None = None,
    **changes: Any,
) -> Job:
    """Return a job of ``paths``, with the recipe of its type, and the fields in ``changes`` replaced."""
    frames = tuple(
        make_frame(
            frame_type,
            path=path,
            size=2880 * 3,
            mtime_ns=1_769_720_400_123_456_789 + number,
            started=datetime(2026, 1, 29, 21, tzinfo=UTC) + timedelta(minutes=number),
        )
        for number, path in enumerate(paths)
    )
    shared: dict[str, Any] = {
        "camera": "ZWO ASI2600MM Pro",
        "gain": 100.0,
        "offset": 50.0,
        "temperature": -10.0,
        "width": 16,
        "height": 12,
    }
    if frame_type is not FrameType.BIAS:
        shared["exposure"] = frames[0].exposure
    if frame_type is FrameType.FLAT:
        shared["filter"] = "Ha"
    name = frame_type.value.replace(" ", "-")
    fields: dict[str, Any] = {
        "id": f"{name}-1a2b3c4d",
        "group": Group(key=GroupKey(type=frame_type, **(shared | (key or {}))), frames=frames, grade=Grade.MINIMUM),
        "recipe": recipe or recipe_of(frame_type),
        "output": Path(f"master/master-{name}.xisf"),
        "keywords": (
            Keyword("IMAGETYP", f"Master {frame_type.value.title()}", "Type of image"),
            Keyword("EXPTIME", frames[0].exposure, "[s]"),
            Keyword("GAIN", 100, ""),
            Keyword("SET-TEMP", -10.0, "[degC]"),
        ),
        "image_type": _IMAGE_TYPE.get(frame_type, "MasterDark"),
    }
    return Job(**(fields | changes))


def recipe_of(frame_type: FrameType) -> Recipe:
    """Return a recipe as the plan would choose it for three frames."""
    if frame_type is not FrameType.FLAT:
        return Recipe(rejection=Rejection.PERCENTILE)
    return Recipe(
        rejection=Rejection.PERCENTILE,
        normalization=Normalization.MULTIPLICATIVE,
        rejection_normalization=RejectionNormalization.EQUALIZE_FLUXES,
    )


def flat_calibration(**changes: Any) -> Calibration:
    """Return what is subtracted from a flat: a dark flat of its exposure that contains the bias."""
    dark = CalibrationMaster(path=Path("/library/master/master-dark-flat.xisf"), type=FrameType.DARK_FLAT, exposure=2.0)
    return Calibration(**({"dark": dark} | changes))
