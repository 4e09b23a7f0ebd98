"""The layouts: one row each, as their documents print them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ap_masters import texts
from ap_masters.layouts import pattern
from ap_masters.model import FrameType, SampleScale
from ap_masters.texts import TextRule

BIAS, DARK, DARK_FLAT, FLAT = FrameType.BIAS, FrameType.DARK, FrameType.DARK_FLAT, FrameType.FLAT


class Layout(NamedTuple):
    """A tree of folders and names: one pattern for each frame type, relative to the library.

    ``suffix`` and ``scale`` are what the layout's own tool chain reads; the settings may say otherwise.
    ``cosmetic_lists``: it looks for a list of hot pixels beside each dark. ``image_types``: the values of IMAGETYP
    that it knows; without them a master says ``Master Dark`` and so on, as WBPP reads it.

    Reading tries the patterns in their order, so of two equal ones the first names the type.
    """

    name: str
    description: str
    patterns: Mapping[FrameType, str]
    suffix: str = ".xisf"
    scale: SampleScale = "unit"
    cosmetic_lists: bool = False
    image_types: Mapping[FrameType, str] = MappingProxyType({})
    text: TextRule = texts.PLAIN

    def carries(self, frame_type: FrameType) -> frozenset[str]:
        """Return which fields of a GroupKey, and "date", can be read back from a name of ``frame_type``."""
        return frozenset().union(*(token.fields for token in pattern.tokens(self.patterns[frame_type])))


# What follows the type in a name. Square brackets: values that most libraries never vary, left out where the
# header does not say (or, for binning, says 1x1). ``ap`` and ``wbpp`` have room for all of them; the other
# layouts print what their documents print, and the plan refuses two groups of one name.
_AP = (
    "_<INSTRUME_{camera}>[_CAMERAID_{camera_id}]_<SET-TEMP_{temperature}>_<GAIN_{gain}>_<OFFSET_{offset}>"
    "[_ISOSPEED_{iso}][_READOUTM_{readout}][_BINNING_{binning:unusual}][_USBLIMIT_{usb}][_WINDOW_{window}]"
)
_WBPP = (
    "[_GAIN-{gain}][_OFFSET-{offset}][_SETTEMP-{temperature}][_INSTRUME-{camera}][_CAMERAID-{camera_id}]"
    "[_ISOSPEED-{iso}][_READOUTM-{readout}][_USBLIMIT-{usb}][_WINDOW-{window}]"
)
_PLAYBOOK = "_{temperature}_<g{gain}>_<o{offset}>[_bin{binning:unusual}][_iso{iso}]"
_NINA = "_<GAIN{gain}>_<OFFSET{offset}>_<T{temperature}C>[_BIN{binning:unusual}][_ISO{iso}]"
_ANAWBPPS = "_<Gain{gain}>_<Offset{offset}>_{binning}_<{temperature}C>[_ISO{iso}]"
_SIRIL = "_<G{gain}>_<O{offset}>_<T{temperature}C>_<bin{binning:short}>[_ISO{iso}]"
_LIVESTACK = "_<GAIN{gain}>_<OFFSET{offset}>_<{temperature}C>_{binning}_{size}"

_ROWS = (
    Layout(
        "ap",
        "ap-master-calibration: KEYWORD_value pairs in one folder; the default",
        {
            BIAS: "master/masterBias" + _AP,
            DARK: "master/masterDark" + _AP + "_<EXPOSURE_{exposure}>",
            DARK_FLAT: "master/masterDarkFlat" + _AP + "_<EXPOSURE_{exposure}>",
            FLAT: "master/masterFlat" + _AP + "[_EXPOSURE_{exposure}]_<DATE-OBS_{date}>_<FILTER_{filter}>"
            "[_ROTATANG_{rotation}]",
        },
    ),
    Layout(
        "anawbpps",
        "ANAWBPPS: a library for each type, in it a folder for each setup and date",
        {
            BIAS: "!!!BIASES_LIB/{setup}/BIASES_{date:_}/{setup}_MasterBias_0s" + _ANAWBPPS,
            DARK: "!!!DARKS_LIB/{setup}/DARKS_{date:_}/{setup}_MasterDark_<{exposure}s>" + _ANAWBPPS,
            DARK_FLAT: "!!!DARKFLATS_LIB/{setup}/DARKFLATS_{date:_}/{setup}_MasterDarkFlat_<{exposure}s>" + _ANAWBPPS,
            FLAT: "!!!FLATS_LIB/{setup}/FLATS_{date:_}/{setup}_MasterFlat_{filter}" + _ANAWBPPS,
        },
        text=texts.ANAWBPPS,
    ),
    Layout(
        "playbook",
        "N.I.N.A. Dark Library Playbook: the folder says the settings, the name the date",
        {
            BIAS: "biases/0s" + _PLAYBOOK + "/master_bias_{date}",
            DARK: "darks/<{exposure}s>" + _PLAYBOOK + "/master_dark_{date}",
            DARK_FLAT: "darkflats/<{exposure}s>" + _PLAYBOOK + "/master_darkflat_{date}",
            FLAT: "flats/{filter}_<{exposure}s>" + _PLAYBOOK + "/master_flat_{date}",
        },
    ),
    Layout(
        "nina",
        "N.I.N.A. Bias, Dark Flats, and Darks: dated folders, the name says the settings",
        {
            BIAS: "{date}/bias/master-bias" + _NINA,
            DARK: "{date}/dark-<{exposure:p}s>/master-dark_<{exposure:p}s>" + _NINA,
            DARK_FLAT: "{date}/darkflat-<{exposure:p}s>/master-darkflat_{filter}_<{exposure:p}s>" + _NINA,
            FLAT: "{date}/flat-{filter}/master-flat_{filter}_<{exposure:p}s>" + _NINA,
        },
        suffix=".fit",
    ),
    Layout(
        "pulsar",
        "PULSAR: dated folders, the name says the exposure or the filter; FITS in ADU",
        {
            BIAS: "{date:_}/bias[_bin{binning:unusual}]",
            DARK: "{date:_}/dark{exposure:ms}[_bin{binning:unusual}]",
            DARK_FLAT: "{date:_}/dark{exposure:ms}[_bin{binning:unusual}]",  # makeflat looks for dark<exp>.fit
            FLAT: "{date:_}/flat_{filter:pulsar}[_bin{binning:unusual}]",
        },
        suffix=".fit",
        scale="adu",
        cosmetic_lists=True,
    ),
    Layout(
        "wbpp",
        "WBPP: names as WeightedBatchPreprocessing gives them, grouping keywords included",
        {
            BIAS: "master/masterBias_<BIN-{binning:short}>_{size}" + _WBPP,
            DARK: "master/masterDark_<BIN-{binning:short}>_{size}_<EXPOSURE-{exposure:00}s>" + _WBPP,
            # WBPP knows no dark flats: to it they are darks of a short exposure. The role keeps the two apart.
            DARK_FLAT: "master/masterDark_<BIN-{binning:short}>_{size}_<EXPOSURE-{exposure:00}s>"
            + _WBPP
            + "_ROLE-DarkFlat",
            FLAT: "master/masterFlat_<BIN-{binning:short}>_{size}_FILTER-{filter:wbpp}_{colour}"
            "[_EXPOSURE-{exposure:00}s]" + _WBPP + "[_DATE-{date}][_ROTATANG-{rotation}]",
        },
        text=texts.WBPP,
    ),
    Layout(
        "siril",
        "Siril: names that its path parsing finds from a light's header",
        {
            BIAS: "BIAS" + _SIRIL,
            DARK: "DARK_<{exposure}s>" + _SIRIL,
            DARK_FLAT: "DARKFLAT_<{exposure}s>" + _SIRIL,
            FLAT: "FLAT_{filter}_<G{gain}>_<O{offset}>_<bin{binning:short}>[_ISO{iso}]_{date}",
        },
        suffix=".fit",
        text=texts.SIRIL,
    ),
    Layout(
        "livestack",
        "N.I.N.A. Live Stack: FITS, matched by header and not by name",
        {
            BIAS: "BIAS" + _LIVESTACK,
            DARK: "DARK_<{exposure}s>" + _LIVESTACK,
            DARK_FLAT: "DARKFLAT_<{exposure}s>" + _LIVESTACK,
            FLAT: "FLAT_{filter}" + _LIVESTACK + "_{date}",
        },
        suffix=".fits",
        image_types={BIAS: "BIAS", DARK: "DARK", DARK_FLAT: "DARK", FLAT: "FLAT"},  # CalibrationVM.cs: no others
    ),
)

LAYOUTS: dict[str, Layout] = {row.name: row for row in _ROWS}
