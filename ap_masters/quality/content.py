"""A master by itself: what its content, its frames and the physics of noise say against it."""

from collections.abc import Iterator

from ap_masters.images.scale import ADU
from ap_masters.model import UNLIT, FrameType, Rejection, inclusive
from ap_masters.quality import levels
from ap_masters.quality.case import SIGNIFICANT, Case, beyond, told
from ap_masters.quality.metrics import value_of
from ap_masters.record import Finding, Severity
from ap_masters.wording import number, percent

_CLIPPED_PERCENT = 0.1
_ONE_SIDED_PERCENT = 5.0
_LEAST_VIGNETTING = 50.0  # ADU; less than what is left of the offset's own shape
# per cent of the level: a degree more in the middle of a warm sensor makes a dark current a tenth larger there
_VIGNETTED: tuple[tuple[Severity, float], ...] = (("refuse", 20.0), ("warning", 10.0))
_FAR_TIMES, _FAR_ERRORS = 2.0, 10.0  # glow grows faster than the exposure, but not so fast
_MOST_PERCENT = 50.0  # of the samples: what has lost more is no mean of its frames


def lit(case: Case) -> Iterator[Finding]:
    """Yield a dark that saw light, or a light with the header of a dark (S2-54)."""
    limit = case.settings.lit_dark_fraction * ADU
    if case.type not in UNLIT:
        return
    bright = [level for level in case.frame_levels if level > limit]
    median = case.value("median") or 0.0
    if bright or median > limit:
        level = max([median, *bright])
        which = f"{len(bright)} of {len(case.frame_levels)} frames reach" if bright else "it has"
        message = f"{which} {level:.0f} ADU: lit, or a light with the header of a {case.type}"
        yield Finding(severity="refuse", metric="level", message=message, value=level, limit=limit, unit="ADU")


def vignetted(case: Case) -> Iterator[Finding]:
    """Yield a dark with the shape of a flat: darker in all four corners. Amplifiers glow from the border inwards."""
    found, median = value_of(case.measured, "vignetting"), case.value("median")
    if found is None or median is None or not found.value > _LEAST_VIGNETTING:
        return
    for severity, limit in _VIGNETTED:
        if found.value > limit / 100 * median:
            message = (
                f"all corners are {found.value:.0f} ADU or more below the centre, of {median:.0f} ADU: shaped like a "
                "flat, so it has seen light"
            )
            yield told(severity, found, message, limit)
            return


def contradicted(case: Case) -> Iterator[Finding]:
    """Yield a dark far brighter than the dark current that the other masters of its mode tell of."""
    foretold, median = value_of(case.measured, "foretold level"), case.value("median")
    if foretold is None or median is None:
        return
    limit = _FAR_TIMES * foretold.value + _FAR_ERRORS * (foretold.error or 0.0)
    if median > limit:
        message = (
            f"{median:.0f} ADU, where bias and shorter darks of this mode foretell {foretold.value:.0f} ADU: lit, or "
            "taken warmer or in another mode than the headers say"
        )
        yield Finding(severity="refuse", metric="level", message=message, value=median, limit=limit, unit="ADU")


def over_subtracted(case: Case) -> Iterator[Finding]:
    """Yield a bias or dark most of whose samples are below zero: more was subtracted than the frames hold."""
    median, sigma = case.value("median"), case.value("robust sigma")
    if case.type in UNLIT and median is not None and sigma is not None and median < -sigma:
        message = (
            f"a median of {median:.1f} ADU: more was subtracted than the frames hold; look at the constant or master"
        )
        yield Finding(severity="warning", metric="median", message=message, value=median, limit=-sigma, unit="ADU")


def mixed(case: Case) -> Iterator[Finding]:
    """Yield what speaks against one kind of frames: their levels fall into two parts (S2-54)."""
    if case.type not in UNLIT:
        return
    parts = levels.split(case.frame_levels)
    if parts is not None:
        message = (
            f"two kinds of frames: {parts.lower} at {parts.lower_level:.0f} ADU, {parts.upper} at "
            f"{parts.upper_level:.0f} ADU. Other exposures or settings than the headers say, or light on some"
        )
        gap = parts.upper_level - parts.lower_level
        yield Finding(severity="refuse", metric="level", message=message, value=gap, unit="ADU")


def warm_up(case: Case) -> Iterator[Finding]:
    """Yield the frames that were taken before the camera had settled (S1-01: toss the first)."""
    count = levels.warm_up(case.frame_levels) if case.type in UNLIT else 0
    if count:
        names = ", ".join(entry.path.name for entry in case.record.inputs[:count])
        message = f"taken before the camera had settled: the first {number(count, 'frame')}, {names}"
        yield Finding(severity="warning", metric="warm-up frames", message=message, value=count)


def strays(case: Case) -> Iterator[Finding]:
    """Yield the single frames that stand off the level of the others (S0-21)."""
    if case.type not in UNLIT or levels.split(case.frame_levels) is not None:
        return
    for index in levels.strays(case.frame_levels, case.cull.warn_level_sigma):
        level, name = case.frame_levels[index], case.record.inputs[index].path.name
        message = f"{name} stands off the level of the others: {level:.1f} ADU"
        yield Finding(severity="warning", metric="level", message=message, value=level, unit="ADU")


def gradient(case: Case) -> Iterator[Finding]:
    """Yield a light leak: a plane of some per cent of the level that stands out of the pixel noise too (S1-30)."""
    found, median = value_of(case.measured, "gradient"), case.value("median")
    if found is None or median is None or case.type not in UNLIT:
        return
    limit, sigma = case.settings.gradient_percent, case.value("robust sigma") or 0.0
    least = max(sigma, SIGNIFICANT * (found.error or 0.0))
    if found.value > least and beyond(median + found.value, median, limit):
        before = value_of(case.predecessor.measures, "gradient") if case.predecessor else None
        grown = before is not None and found.value - before.value > limit / 100 * abs(median)
        severity: Severity = "refuse" if grown else "warning"
        message = f"a gradient of {found.value:.1f} ADU across the frame: look for a light leak"
        yield told(severity, found, message + (", it is new" if grown else ""), limit)


def temperature(case: Case) -> Iterator[Finding]:
    """Yield sensor temperatures spread, or away from the set-point, by more than the limit (S0-18, S1-04)."""
    limit = case.cull.warn_temperature_c
    for name in ("temperature spread", "temperature excursion"):
        found = value_of(case.measured, name)
        if found is not None and found.value > inclusive(limit):
            message = f"{name} {found.value:.2f} °C: let the camera settle longer"
            yield Finding(severity="warning", metric=name, message=message, value=found.value, limit=limit, unit="°C")


def cooler_power(case: Case) -> Iterator[Finding]:
    """Yield a cooler that works at ``warn_cooler_percent`` or more: no reserve for a warmer night (S0-20, S1-20)."""
    found, limit = value_of(case.measured, "cooler power"), case.cull.warn_cooler_percent
    if found is not None and found.value >= limit:
        message = f"the cooler worked at {found.value:.0f} %: choose a warmer set-point"
        yield told("warning", found, message, limit)


def flat_level(case: Case) -> Iterator[Finding]:
    """Yield what is wrong with the level of a flat (S2-28, S3-21)."""
    level = case.value("flat level")
    if level is None:
        return
    ranges: tuple[tuple[Severity, float, float], ...] = (
        ("refuse", case.flat.drop_below, case.flat.drop_above),
        ("note", case.flat.recommended_low, case.flat.recommended_high),
    )
    for severity, low, high in ranges:
        if not 100 * low <= level <= 100 * high:
            message = f"flat level {level:.1f} % of full scale, outside {100 * low:g} to {percent(100 * high)}"
            yield Finding(severity=severity, metric="flat level", message=message, value=level, unit="%")
            return


def target(case: Case) -> Iterator[Finding]:
    """Yield a median that flats were scaled to and that can hardly be meant: beyond full scale, or a share of it."""
    asked, most = case.record.recipe.target_median, case.flat.drop_above
    if asked is None or case.type is not FrameType.FLAT:
        return
    if asked > most * ADU:
        message = f"scaled to a median of {asked:g} ADU: what is brighter is beyond full scale"
        yield Finding(severity="refuse", metric="median", message=message, value=asked, limit=most * ADU, unit="ADU")
    elif asked < 1:
        message = f"scaled to a median of {asked:g} ADU; {percent(100 * asked)} of full scale are {asked * ADU:.0f} ADU"
        yield Finding(severity="warning", metric="median", message=message, value=asked, unit="ADU")


def flat_shape(case: Case) -> Iterator[Finding]:
    """Yield a lopsided flat or extreme fall-off; vignetting is expected."""
    rows = (("asymmetry", case.settings.gradient_percent), ("fall-off", case.settings.falloff_percent))
    for name, limit in rows:
        value = case.value(name)
        if value is not None and value > inclusive(limit):
            message = f"{name} of {value:.1f} %: uneven light, a shadow or a shifted field"
            yield Finding(severity="warning", metric=name, message=message, value=value, limit=limit, unit="%")


def noise(case: Case) -> Iterator[Finding]:
    """Yield a master noisier than the square root law lets N independent frames be."""
    measured, theory = value_of(case.measured, "master noise"), case.value("theoretical noise")
    if measured is None or theory is None:
        return
    limit = case.settings.noise_excess_percent
    if measured.value > theory and beyond(measured.value, theory, limit):
        message = f"noise {measured.value:.3g} ADU where {len(case.record.inputs)} frames promise {theory:.3g} ADU"
        yield told("warning", measured, message, limit)


def gain(case: Case) -> Iterator[Finding]:
    """Yield a gain that is not the one the header tells."""
    found, stated = value_of(case.measured, "gain"), case.record.electrons_per_adu
    limit = case.settings.refresh_percent
    if found is not None and stated and beyond(found.value, stated, limit):
        message = f"{found.value:.4g} e-/ADU from pairs of flats, the header says {stated:.4g}"
        yield told("warning", found, message, limit)


def clipped(case: Case) -> Iterator[Finding]:
    """Yield an offset so low that the noise is cut at zero; read noise and levels are then wrong."""
    found = value_of(case.measured, "clipped")
    if found is not None and found.value > _CLIPPED_PERCENT:
        message = f"{percent(found.value)} of the samples of a frame are zero: raise the camera's offset"
        yield Finding(
            severity="warning", metric="clipped", message=message, value=found.value, limit=_CLIPPED_PERCENT, unit="%"
        )


def rejection(case: Case) -> Iterator[Finding]:
    """Yield a contradiction between what record, log and master tell of rejection."""
    rejected = case.record.rejected
    if rejected is not None and not rejected.agree:
        message = "record, log and master tell different numbers of rejected samples"
        yield Finding(severity="warning", metric="rejection", message=message)


def mostly_rejected(case: Case) -> Iterator[Finding]:
    """Yield a master whose rejection took the larger part of all samples: what is left is not what the frames show.

    Min/max rejects as many as it is told to, whatever the frames are like.
    """
    rejected = case.record.rejected
    if case.record.recipe.rejection is Rejection.MINMAX or rejected is None or not rejected.samples:
        return
    share = 100 * (rejected.low + rejected.high) / rejected.samples
    if share > _MOST_PERCENT:
        message = (
            f"{percent(share)} of all samples were rejected: the frames are not of one kind, or the rejection does not "
            "suit them. Look at their levels, or take another --rejection"
        )
        yield Finding(
            severity="refuse", metric="rejection", message=message, value=share, limit=_MOST_PERCENT, unit="%"
        )


def one_sided(case: Case) -> Iterator[Finding]:
    """Yield percentile clipping that took the noise for outliers: its limits are parts of the level.

    Those are not the same on both sides, so the mean of what is left is off. Whole frames that are off are told
    by other rules.
    """
    if case.type in UNLIT and any((case.value("warm-up frames"), *mixed(case), *strays(case))):
        return
    rejected = case.record.rejected
    if case.record.recipe.rejection is not Rejection.PERCENTILE or rejected is None or not rejected.samples:
        return
    low, high = (100 * count / rejected.samples for count in (rejected.low, rejected.high))
    if abs(high - low) > _ONE_SIDED_PERCENT:
        message = (
            f"percentile clipping rejected {percent(high)} as too high and {percent(low)} as too low, which is noise: "
            "the master is off to one side. Take more frames, or --rejection winsorized"
        )
        value, limit = abs(high - low), _ONE_SIDED_PERCENT
        yield Finding(severity="warning", metric="rejection", message=message, value=value, limit=limit, unit="%")
