"""What every engine has to integrate alike: jobs over small frames on disk, one for each thing that matters.

Frames are 40 x 48 pixels. ``quantised`` frames hold few different values, so that ties and exact limits are
frequent; the others have noise, a slope, hot pixels and cosmic rays.
"""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ap_masters import images
from ap_masters.model import (
    Calibration,
    CalibrationMaster,
    Combination,
    Frame,
    FrameType,
    Group,
    GroupKey,
    ImageFormat,
    Job,
    Keyword,
    Normalization,
    Recipe,
    Rejection,
    RejectionNormalization,
)
from tests.builders import make_frame, nina_keywords

SHAPE = (40, 48)
METHODS = tuple(rejection for rejection in Rejection if rejection is not Rejection.AUTO)
FLAT_RECIPE: dict[str, Any] = {
    "normalization": Normalization.MULTIPLICATIVE,
    "rejection_normalization": RejectionNormalization.EQUALIZE_FLUXES,
}
KEYWORDS = (
    Keyword("IMAGETYP", "Master Dark", "Type of image"),
    Keyword("EXPTIME", 300.0, "[s] exposure"),
    Keyword("GAIN", 100, "gain"),
    Keyword("SET-TEMP", -10.0, "[degC]"),
    Keyword("FILTER", "O'III", "a quote in it"),
)


class Cases:
    """The frames of a night in ``folder``, and the jobs over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "night of frames, ä"
        self.folder.mkdir(parents=True, exist_ok=True)

    def jobs(self) -> Iterator[Job]:
        """Yield every job; its id says what it is about."""
        yield from self._methods()
        yield from self._formats()
        yield from self._flats()

    # --- pixels -------------------------------------------------------------------------------------------

    def noisy(self, name: str, frames: int, *, level: float = 600, sigma: float = 8) -> list[NDArray[np.uint16]]:
        """Return frames with noise, a slope, hot pixels that all share, and a cosmic ray here and there."""
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        sky = level + np.linspace(0, level / 10, SHAPE[1])[np.newaxis] + 4000 * (rng.random(SHAPE) < 0.01)
        return [
            np.rint(rng.normal(sky, sigma) + 1500 * (rng.random(SHAPE) < 0.02)).clip(0, 65535).astype(np.uint16)
            for _ in range(frames)
        ]

    def quantised(self, name: str, frames: int) -> list[NDArray[np.uint16]]:
        """Return frames of a quiet camera: five different values, mostly one, and black pixels at that."""
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        steps = rng.choice([0, 0, 0, 0, 1, 1, 2, 9], (frames, *SHAPE))
        base = np.where(np.arange(SHAPE[1]) < 4, 0, 500)
        return list((base + steps).astype(np.uint16))

    # --- jobs ---------------------------------------------------------------------------------------------

    def _methods(self) -> Iterator[Job]:
        for method in METHODS:
            for count in (5, 16):
                name = f"{method.value} of {count}"
                yield self.job(name, self.noisy(name, count), rejection=method)
            for count in (9, 10):  # where one sample that differs from the rest is exactly at a usual limit
                name = f"{method.value} of {count} quantised"
                yield self.job(name, self.quantised(name, count), rejection=method)
        tight: dict[str, Any] = {"sigma_low": 2.0, "sigma_high": 1.5, "linear_fit_low": 2.0, "linear_fit_high": 1.7}
        for method in (Rejection.SIGMA, Rejection.WINSORIZED, Rejection.AVERAGED, Rejection.LINEAR_FIT):
            name = f"tight {method.value}"
            yield self.job(name, self.noisy(name, 12), rejection=method, **tight)
            yield self.job(f"{name} quantised", self.quantised(name, 12), rejection=method, **tight)
        for combination in Combination:
            name = f"{combination.value} combination"
            yield self.job(name, self.noisy(name, 7), rejection=Rejection.SIGMA, combination=combination, **tight)
        halves = [*self.noisy("low half", 3), *self.noisy("high half", 3, level=6000)]
        yield self.job("all rejected", halves, rejection=Rejection.PERCENTILE)

    def _formats(self) -> Iterator[Job]:
        sigma: dict[str, Any] = {"rejection": Rejection.WINSORIZED}
        yield self.job("XISF frames", self.noisy("x", 6), suffix=".xisf", **sigma)
        yield self.job("FITS master", self.noisy("f", 6), output=Path("m.fits"), **sigma)
        yield self.job("ADU master", self.noisy("a", 6), output=Path("m.fits"), scale="adu", **sigma)
        floats = [(f / 65535).astype(np.float32) for f in self.noisy("float", 7)]
        yield self.job("float frames", floats, suffix=".xisf", **sigma)
        colour = [np.stack([f, f // 2, f // 3]) for f in self.noisy("colour", 7)]
        yield self.job("colour frames", colour, **sigma)

    def _flats(self) -> Iterator[Job]:
        bias = self.master("bias", self.noisy("bias", 1, level=500, sigma=3)[0] / 65535, FrameType.BIAS)
        dark = self.master("dark", (520 + 40 * self.hot()) / 65535, FrameType.DARK)
        counts = self.master("counts", 510 + 5 * self.hot(), FrameType.DARK, adu=True)
        fits = self.master("fits", 510 + 5 * self.hot(), FrameType.DARK, suffix=".fits")
        bare = self.master("bare", 20 * self.hot() / 65535, FrameType.DARK, includes_bias=False)
        calibrations = {
            "uncalibrated flats": None,
            "flats that came calibrated": Calibration(before="BD"),
            "flats minus bias": Calibration(bias=bias),
            "flats minus dark": Calibration(dark=dark),
            "flats minus bias and dark": Calibration(bias=bias, dark=dark),
            "flats minus bias and bare dark": Calibration(bias=bias, dark=bare),
            "flats minus scaled dark": Calibration(bias=bias, dark=dark, scale_dark=True),
            "flats minus dark in ADU": Calibration(dark=counts),
            "flats minus FITS dark in ADU": Calibration(dark=fits),
        }
        methods = [(name, Rejection.WINSORIZED, 7) for name in calibrations]
        methods += [("flats minus bias and dark", Rejection.PERCENTILE, 5)]
        methods += [("flats minus bias and dark", Rejection.LINEAR_FIT, 16)]
        for name, method, count in methods:
            yield self.job(
                f"{name} {method.value}",
                self.flats(count),
                FrameType.FLAT,
                calibration=calibrations[name],
                rejection=method,
                **FLAT_RECIPE,
            )
        yield self.job(
            "flats of a colour camera minus scaled dark",
            self.flats(6),
            FrameType.FLAT,
            calibration=Calibration(bias=bias, dark=dark, scale_dark=True),
            cards={"BAYERPAT": "RGGB"},
            rejection=Rejection.WINSORIZED,
            **FLAT_RECIPE,
        )
        yield self.job(
            "flats with a pedestal",
            self.flats(5),
            FrameType.FLAT,
            calibration=Calibration(bias=bias),
            cards={"PEDESTAL": -100},
            rejection=Rejection.PERCENTILE,
            **FLAT_RECIPE,
        )

        yield self.job(
            "darks that came without their bias",
            self.noisy("bare darks", 7, level=40),
            calibration=Calibration(before="B"),
            rejection=Rejection.WINSORIZED,
        )

    def hot(self) -> NDArray[np.float64]:
        """Return what hot pixels gather: mostly nothing, here and there some tens."""
        rng = np.random.default_rng(11)
        return np.where(rng.random(SHAPE) < 0.05, rng.uniform(5, 30, SHAPE), rng.normal(0, 0.05, SHAPE))

    def flats(self, count: int) -> list[NDArray[np.uint16]]:
        """Return flats whose light fades, with vignetting and half a dark's hot pixels."""
        rng = np.random.default_rng(count)
        y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
        light = 25000 * (1 - 0.3 * (x**2 + y**2)) + 20 * self.hot()
        return [
            np.rint(rng.normal(light * 0.97**i, 120) + 8000 * (rng.random(SHAPE) < 0.01)).astype(np.uint16)
            for i in range(count)
        ]

    def master(
        self,
        name: str,
        pixels: NDArray[np.floating[Any]],
        frame_type: FrameType,
        *,
        suffix: str = ".xisf",
        adu: bool = False,
        includes_bias: bool = True,
    ) -> CalibrationMaster:
        """Write a master and say what it is."""
        path = self.folder / f"master {name}{suffix}"
        images.write_image(path, pixels.astype(np.float32), image_type="MasterDark", adu=adu)
        return CalibrationMaster(path=path, type=frame_type, exposure=2.0, includes_bias=includes_bias)

    def job(
        self,
        name: str,
        pixels: Sequence[NDArray[Any]],
        frame_type: FrameType = FrameType.DARK,
        *,
        calibration: Calibration | None = None,
        cards: dict[str, Any] | None = None,
        suffix: str = ".fits",
        output: Path = Path("m.xisf"),
        scale: str = "unit",
        keywords: tuple[Keyword, ...] = KEYWORDS,
        **recipe: Any,
    ) -> Job:
        """Write the frames and return the job over them."""
        identity = name.replace(" ", "-")
        frames = tuple(self._frame(f"{identity}-{i}{suffix}", p, frame_type, cards or {}) for i, p in enumerate(pixels))
        return Job.model_validate(
            {
                "id": identity,
                "group": Group(key=self._key(frames[0], frame_type), frames=frames),
                "recipe": Recipe(**recipe),
                "output": output.with_stem(identity),
                "calibration": calibration,
                "keywords": keywords,
                "image_type": "MasterFlat" if frame_type is FrameType.FLAT else "MasterDark",
                "scale": scale,
            }
        )

    def _frame(self, name: str, pixels: NDArray[Any], frame_type: FrameType, cards: dict[str, Any]) -> Frame:
        path = self.folder / name
        keywords = [k for k in nina_keywords() if k.name not in cards]
        images.write_image(path, pixels, (*keywords, *(Keyword(*card) for card in cards.items())), image_type="Dark")
        status = path.stat()
        return make_frame(
            frame_type,
            path=path,
            format=ImageFormat.XISF if path.suffix == ".xisf" else ImageFormat.FITS,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            height=pixels.shape[-2],
            width=pixels.shape[-1],
            channels=len(pixels) if pixels.ndim == 3 else 1,
            sample=pixels.dtype.name,
            pedestal=cards.get("PEDESTAL"),
            bayer_pattern=cards.get("BAYERPAT"),
            row_order=cards.get("ROWORDER", "TOP-DOWN"),
        )

    @staticmethod
    def _key(frame: Frame, frame_type: FrameType) -> GroupKey:
        shared = ("camera", "exposure", "width", "height", "channels", "bayer_pattern")
        return GroupKey.model_validate({"type": frame_type} | {name: getattr(frame, name) for name in shared})
