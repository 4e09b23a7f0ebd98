"""The spellings of every property a header can state, in the order they are believed: the tables, nothing else.

Sources: N.I.N.A. ``FITSHeader.cs``; Siril ``fits_keywords.c``; INDI ``indiccd.cpp``; PixInsight
``IntegrationMetadata``; headers written by SGPro, MaxIm DL, APT, SharpCap, TheSkyX, ASIAIR, DWARF and Astro Pixel
Processor. XISF properties come last: a program that writes both keeps them equal, and keywords say more.
"""

import math
import re
from typing import Final, NamedTuple

from ap_masters.model import FrameType


class Spelling(NamedTuple):
    """The keywords that state one property of a frame, and the range in which a value means something."""

    field: str
    keywords: tuple[str, ...]
    low: float = -math.inf
    high: float = math.inf


_TEN_DAYS_S: Final = 864_000.0

# What a number below `low` means: -1 for gain and offset is "not known" (N.I.N.A., ASCOM), 0 mm is "not set" (MaxIm).
NUMBERS: Final = (
    # EXP is DWARF II, EXP_TIME is LOAO and UKIRT, EXPOINUS is ASICAP. EXPTIME and EXPOSURE may both be there; see
    # `traps._two_exposures`.
    Spelling(
        "exposure",
        ("EXPTIME", "EXPOSURE", "EXP", "EXP_TIME", "EXPOINUS", "DARKTIME", "Instrument:ExposureTime"),
        low=0,
        high=_TEN_DAYS_S,
    ),
    Spelling(
        "set_temperature",
        # CCDSTEMP is LCO, DET-TSET is pyobs, TEMP_SET is Rubin.
        (
            "SET-TEMP",
            "SETTEMP",
            "SET_TEMP",
            "CCDSTEMP",
            "DET-TSET",
            "TEMP_SET",
            "Instrument:Sensor:TargetTemperature",
        ),
        low=-200,
        high=100,
    ),
    Spelling(
        "sensor_temperature",
        # DET-TEMP is DWARF 3 and pyobs, CCDATEMP is LCO, TEMP is Andor Solis, CAMTEMP is lvmcam.
        (
            "CCD-TEMP",
            "CCD_TEMP",
            "CCDTEMP",
            "TEMPERAT",
            "CAMTCCD",
            "CCDATEMP",
            "DET-TEMP",
            "TEMP",
            "CAMTEMP",
            "Instrument:Sensor:Temperature",
        ),
        low=-200,
        high=100,
    ),
    # Never EGAIN: that is electrons per ADU. XISF's Instrument:Camera:Gain is the same trap.
    # GAINRAW is the setting, where GAIN beside it may be in electrons.
    Spelling("gain", ("GAINRAW", "GAIN"), low=0),
    # Never PEDESTAL. SharpCap writes OFFSET and BLKLEVEL alike; ASI drivers once called it brightness, which a
    # keyword of eight letters cuts off. Of BLACKLEV no writer is known.
    Spelling("offset", ("OFFSET", "BLKLEVEL", "QOFFSET", "CAMOFFS", "BRIGHTNE", "BRIGHTNESS", "BLACKLEV"), low=0),
    # QSI writes 'Low Gain' into ISOSPEED, which is no number and so says nothing here.
    Spelling("iso", ("ISOSPEED", "ISO", "Instrument:Camera:ISOSpeed"), low=1),  # ISO is SGPro with Canon
    # SharpCap's EGAIN is for the ADC's own bit depth, EGAINSAV for the samples in the file.
    Spelling("electrons_per_adu", ("EGAINSAV", "EGAIN", "CVF", "Instrument:Camera:Gain"), low=1e-9),
    Spelling("usb_limit", ("USBLIMIT", "QUSBLIM"), low=0),
    Spelling("cooler_power", ("COOLPOWR", "COOLPWR", "COOL-PWR"), low=0, high=100),
    Spelling("focal_length", ("FOCALLEN", "FOCAL", "FLENGTH", "FOCLEN", "Instrument:Telescope:FocalLength"), low=1e-3),
    Spelling("pixel_size", ("XPIXSZ", "PIXSIZE1", "Instrument:Sensor:XPixelSize"), low=1e-3),
    Spelling("rotation", ("ROTATANG", "ROTATOR", "ROTANG")),
    Spelling("pedestal", ("PEDESTAL",)),
    Spelling("data_max", ("DATAMAX",)),
)

RANGES: Final = {row.field: row for row in NUMBERS}

# What is said of a value that is no such number, where a frame is of no use without.
IMPOSSIBLE: Final = {"exposure": "is no exposure that can be (0 s to ten days)"}

# What a value is multiplied by for our units (seconds, °C, millimetres, micrometres, degrees, per cent).
FACTORS: Final = {"FLENGTH": 1000.0, "FOCLEN": 1000.0, "Instrument:Telescope:FocalLength": 1000.0, "EXPOINUS": 1e-6}

# The same where only the comment of a keyword names the unit.
COMMENTED_FACTORS: Final = {
    "exposure": (
        (re.compile(r"\b(?:s|secs?|seconds?)\b", re.IGNORECASE), 1.0),
        (re.compile(r"\b(?:ms|msecs?|milli-?seconds?)\b", re.IGNORECASE), 1e-3),
        (re.compile(r"\b(?:[uµ]s|[uµ]secs?|micro-?seconds?)\b", re.IGNORECASE), 1e-6),
    )
}

# Words that may stand before a number: 'ISO 400'.
PREFIXES: Final = {"iso": "ISO"}
# Signs that may stand behind it: '4x', the preamplifier of an Andor.
SUFFIXES: Final = {"gain": "X"}

# Each names the filter in one of several wheels: light passes through all of them.
WHEELS: Final = ("FILTER1", "FILTER2", "FILTER3")

TEXTS: Final = (
    # HEAD is Andor Solis; CAMNAME is lvmcam and pyscope, beside INSTRUME the name of a driver or a lens.
    Spelling(
        "camera",
        ("INSTRUME", "INSTRUMENT", "CAMERA", "DETECTOR", "CAM_ID", "HEAD", "CAMNAME", "Instrument:Camera:Name"),
    ),
    # Two cameras of one model share INSTRUME; only these tell them apart.
    Spelling("camera_id", ("CAMERAID", "CAMID", "CAM_SN", "CAMUID", "INSTRSN", "Instrument:Camera:SerialNumber")),
    # SGPro, APT and ASIAIR write the mount here: good enough for flats, never for bias and dark.
    Spelling("telescope", ("TELESCOP", "TELESCOPE", "Instrument:Telescope:Name")),
    Spelling("filter", ("FILTER", "INSFLNAM", "FILT-1", *WHEELS, "FILTERS", "Instrument:Filter:Name")),
    Spelling("readout_mode", ("READOUTM", "READMODE", "READOUT", "QREADOUT", "CAMMODE", "CONFMODE")),
    Spelling("bayer_pattern", ("BAYERPAT", "COLORTYP", "CFAIMAGE", "PCL:CFASourcePattern")),
    Spelling("row_order", ("ROWORDER",)),
    Spelling("calibration_state", ("CALSTAT",)),
    Spelling("software", ("SWCREATE", "CREATOR", "PROGRAM", "SOFTWARE", "ORIGIN")),
)

# Values that say "there is none", per property, in upper case.
NOTHING: Final = {
    "type": {"UNKNOWN", "UNKNOW"},  # RTS2 leaves out the last letter
    "filter": {"NONE", "NOFILTER", "NO FILTER"},
    "bayer_pattern": {"NO", "NONE", "MONO", "RGB", "FALSE", "F"},
}

# Colours of two rows of two, or X-Trans' six of six: MaxIm numbers kinds of sensors in COLORTYP, others name a format.
PATTERN: Final = re.compile(r"(?:[RGBCMYWE]{4}){1,9}", re.IGNORECASE)

BINNINGS: Final = (
    ("XBINNING", "YBINNING"),
    ("CCDXBIN", "CCDYBIN"),
    ("CCDBINX", "CCDBINY"),
    ("BINX", "BINY"),
    ("CCDBIN1", "CCDBIN2"),  # DECam
    ("HBIN", "VBIN"),  # Andor Solis
    ("BIN1", "BIN2"),  # AudeLA
    ("XBIN", "YBIN"),  # CFHT
)
BINNING_PAIRS: Final = ("BINNING", "CCDSUM")  # '2*2' (DWARF II), 1 (PixInsight of 2020), '1 1' (NOAO, LCO)
BINNING_PROPERTIES: Final = ("Instrument:Camera:XBinning", "Instrument:Camera:YBinning")
ORIGINS: Final = ("XORGSUBF", "YORGSUBF")
BAYER_OFFSETS: Final = (("XBAYROFF", "YBAYROFF"), ("BAYOFFX", "BAYOFFY"))
# INDIGO writes the true pattern, and beside it offsets of that pattern from RGGB (indigo_ccd_driver.c).
OFFSETS_SAY_NOTHING: Final = "INDIGO"

STARTED: Final = ("DATE-OBS", "DATE_OBS", "DATEOBS", "DATE-BEG", "UTDATE", "Observation:Time:Start")
FRAME_TIME: Final = "FRAME"  # the start, by Andor Solis; elsewhere the type
# The time, where DATE-OBS is only a date. TIME-OBS and TIME-BEG should be of the same clock; SCORPIO's is Moscow's.
CLOCKS: Final = ("UT", "UTSTART", "UTC", "TIME-OBS", "TIME-BEG")
# Days to be added to a Julian date of the start, where no date tells it. JD is MaxIm's; those of other moments are not.
JULIAN_STARTED: Final = {"MJD-OBS": 2_400_000.5, "MJD-BEG": 2_400_000.5, "JD": 0.0}
LOCAL: Final = ("DATE-LOC", "LOCALTIM")
# Degrees east of Greenwich; OBSGEO-L is the standard's, OBSLONG is SharpCap's. SBIG's SITELONG counts west, as its
# comment tells.
LONGITUDES: Final = ("OBSGEO-L", "SITELONG", "LONG-OBS", "OBSLONG", "OBS-LONG", "Observation:Location:Longitude")
WEST: Final = re.compile(r"^(?!.*negative).*\bwest of\b", re.IGNORECASE)
ENDED: Final = ("DATE-END", "Observation:Time:End")
JULIAN_START: Final = "EXPSTART"  # Siril's stacks
JULIAN_END: Final = "EXPEND"

# Frame type: what the file calls it. IMGTYPE is Rubin, IMG_TYPE is FOXSI, DATA-TYP is Subaru, OBS_TYPE is Hida.
TYPE_KEYWORDS: Final = (
    "IMAGETYP",
    "FRAME",
    "FRAMETYP",
    "OBSTYPE",
    "CALFRAME",
    "IMGTYPE",
    "IMG_TYPE",
    "DATA-TYP",
    "OBS_TYPE",
)
# Those that hold other things elsewhere (a running number, a time, a system of coordinates) and count where they name
# a type.
TYPE_AMONG_OTHERS: Final = {"FRAME", "DATA-TYP", "OBS_TYPE"}
# TheSkyX gives the type as a number too.
PICTURE_TYPES: Final = {1: FrameType.LIGHT, 2: FrameType.BIAS, 3: FrameType.DARK, 4: FrameType.FLAT}

# How many frames went into it: more than one makes it a master. SNAPSHOT is SBIG's and APT's, usually 1.
COUNTS: Final = (
    "NCOMBINE",
    "STACKCNT",
    "NUMFRAME",
    "NSTACK",
    "DARK_CNT",
    "FLAT_CNT",
    "BIAS_CNT",
    "SNAPSHOT",
)
# Keywords that only an integrated image has, whatever their value.
MARKS: Final = ("CALFRAME", "SEIZAMST", "IMCMB001", "IMCOM001")
# Truth values that say so: ccdproc's and reducer's scripts.
TRUE_MARKS: Final = ("COMBINED", "MASTER")

# Our own: the type, because WBPP knows no dark flat and needs 'Master Dark'; the sample scale; what went in.
OWN_TYPE: Final = "APMTYPE"
OWN_SCALE: Final = "APMSCALE"
OWN_INPUT: Final = "APMINPUT"
