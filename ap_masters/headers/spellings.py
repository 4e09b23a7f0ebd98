"""The spellings of every property a header can state, in the order they are believed: the tables, nothing else.

Sources: N.I.N.A. ``FITSHeader.cs``; Siril ``fits_keywords.c``; INDI ``indiccd.cpp``; PixInsight
``IntegrationMetadata``; headers written by SGPro, MaxIm DL, APT, SharpCap, TheSkyX, ASIAIR, DWARF and Astro Pixel
Processor. XISF properties come last: a program that writes both keeps them equal, and keywords say more.
"""

import math
from typing import Final, NamedTuple

from ap_masters.model import FrameType


class Spelling(NamedTuple):
    """The keywords that state one property of a frame, the range in which a value means something, its unit."""

    field: str
    keywords: tuple[str, ...]
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""


# What a number below `low` means: -1 for gain and offset is "not known" (N.I.N.A., ASCOM), 0 mm is "not set" (MaxIm).
NUMBERS: Final = (
    # EXP is DWARF II. EXPTIME and EXPOSURE may both be there; see `Reading.exposure`.
    Spelling("exposure", ("EXPTIME", "EXPOSURE", "EXP", "DARKTIME", "Instrument:ExposureTime"), low=0, unit="s"),
    Spelling(
        "set_temperature",
        ("SET-TEMP", "SETTEMP", "SET_TEMP", "CCDSTEMP", "Instrument:Sensor:TargetTemperature"),
        low=-200,
        high=100,
        unit="°C",
    ),
    Spelling(
        "sensor_temperature",
        # DET-TEMP is DWARF 3, CCDATEMP is LCO.
        (
            "CCD-TEMP",
            "CCD_TEMP",
            "CCDTEMP",
            "TEMPERAT",
            "CAMTCCD",
            "CCDATEMP",
            "DET-TEMP",
            "Instrument:Sensor:Temperature",
        ),
        low=-200,
        high=100,
        unit="°C",
    ),
    # Never EGAIN: that is electrons per ADU. XISF's Instrument:Camera:Gain is the same trap.
    Spelling("gain", ("GAIN",), low=0),
    # Never PEDESTAL. SharpCap writes OFFSET and BLKLEVEL alike; of BRIGHTNESS and BLACKLEV no writer is known.
    Spelling("offset", ("OFFSET", "BLKLEVEL", "QOFFSET", "CAMOFFS", "BRIGHTNESS", "BLACKLEV"), low=0),
    # QSI writes 'Low Gain' into ISOSPEED, which is no number and so says nothing here.
    Spelling("iso", ("ISOSPEED", "Instrument:Camera:ISOSpeed"), low=1),
    # SharpCap's EGAIN is for the ADC's own bit depth, EGAINSAV for the samples in the file.
    Spelling("electrons_per_adu", ("EGAINSAV", "EGAIN", "CVF", "Instrument:Camera:Gain"), low=1e-9),
    Spelling("usb_limit", ("USBLIMIT", "QUSBLIM"), low=0),
    Spelling("cooler_power", ("COOLPOWR", "COOLPWR", "COOL-PWR"), low=0, high=100, unit="%"),
    Spelling("focal_length", ("FOCALLEN", "FOCAL", "FLENGTH", "Instrument:Telescope:FocalLength"), low=1e-3, unit="mm"),
    Spelling("pixel_size", ("XPIXSZ", "PIXSIZE1", "Instrument:Sensor:XPixelSize"), low=1e-3, unit="µm"),
    Spelling("rotation", ("ROTATANG", "ROTATOR", "ROTANG"), unit="°"),
    Spelling("pedestal", ("PEDESTAL",)),
    Spelling("data_max", ("DATAMAX",)),
)

# Metres, where everything else is millimetres.
FACTORS: Final = {"FLENGTH": 1000.0, "Instrument:Telescope:FocalLength": 1000.0}

TEXTS: Final = (
    Spelling("camera", ("INSTRUME", "INSTRUMENT", "CAMERA", "DETECTOR", "CAM_ID", "Instrument:Camera:Name")),
    # Two cameras of one model share INSTRUME; only these tell them apart.
    Spelling("camera_id", ("CAMERAID", "CAMID", "CAM_SN", "Instrument:Camera:SerialNumber")),
    # SGPro, APT and ASIAIR write the mount here: good enough for flats, never for bias and dark.
    Spelling("telescope", ("TELESCOP", "TELESCOPE", "Instrument:Telescope:Name")),
    Spelling("filter", ("FILTER", "INSFLNAM", "FILT-1", "FILTER1", "Instrument:Filter:Name")),
    Spelling("readout_mode", ("READOUTM", "READMODE", "READOUT", "QREADOUT", "CAMMODE", "CONFMODE")),
    Spelling("bayer_pattern", ("BAYERPAT", "COLORTYP", "CFAIMAGE", "PCL:CFASourcePattern")),
    Spelling("row_order", ("ROWORDER",)),
    Spelling("calibration_state", ("CALSTAT",)),
    Spelling("software", ("SWCREATE", "CREATOR", "PROGRAM", "SOFTWARE", "ORIGIN")),
)

# Values that say "there is none", per property, in upper case.
NOTHING: Final = {
    "filter": {"NONE", "NOFILTER", "NO FILTER"},
    "bayer_pattern": {"NO", "NONE", "MONO", "RGB", "FALSE", "F"},
}

BINNINGS: Final = (("XBINNING", "YBINNING"), ("CCDXBIN", "CCDYBIN"), ("CCDBINX", "CCDBINY"), ("BINX", "BINY"))
BINNING_PAIRS: Final = ("BINNING", "CCDSUM")  # '2*2' (DWARF II), 1 (PixInsight of 2020), '1 1' (NOAO, LCO)
BINNING_PROPERTIES: Final = ("Instrument:Camera:XBinning", "Instrument:Camera:YBinning")
BAYER_OFFSETS: Final = (("XBAYROFF", "YBAYROFF"), ("BAYOFFX", "BAYOFFY"))

STARTED: Final = ("DATE-OBS", "DATE_OBS", "DATEOBS", "DATE-BEG", "Observation:Time:Start")
CLOCKS: Final = ("TIME-OBS", "UT", "UTSTART", "UTC", "TIME-BEG")  # the time, where DATE-OBS is only a date
LOCAL: Final = ("DATE-LOC", "LOCALTIM")
LONGITUDES: Final = ("SITELONG", "LONG-OBS", "OBSGEO-L", "Observation:Location:Longitude")  # degrees, east of Greenwich
ENDED: Final = ("DATE-END", "Observation:Time:End")
JULIAN_START: Final = "EXPSTART"  # Siril's stacks
JULIAN_END: Final = "EXPEND"

# Frame type: what the file calls it. PICTTYPE is a number.
TYPE_KEYWORDS: Final = ("IMAGETYP", "FRAME", "FRAMETYP", "OBSTYPE", "CALFRAME")
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

# Our own: the type, because WBPP knows no dark flat and needs 'Master Dark'; the sample scale; what went in.
OWN_TYPE: Final = "APMTYPE"
OWN_SCALE: Final = "APMSCALE"
OWN_INPUT: Final = "APMINPUT"
