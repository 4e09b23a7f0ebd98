"""Named profiles: the values of five documents that users work by, one table each.

A profile is a set of defaults. It says only what its document says; everything else keeps this program's own
default. Settings files, the environment and flags overrule it.
"""

from collections.abc import Mapping
from typing import Any, Final

_FRAME_TEMPERATURE: Final = {"warn_temperature_c": 0.3, "drop_temperature_c": 0.5}
# Their documents file every refresh under its date. Frames of several in one master would stand under the first one's,
# beside the masters of the others; a set takes some cloudy nights.
_DATED: Final = {"epoch_days": 14}

DESCRIPTIONS: Final[Mapping[str, str]] = {
    "ap": "ap-master-calibration: masters of a run do not serve its own flats, dark flats are not looked for, and a "
    "dark of another exposure is scaled (the nearest lower one, else the next higher).",
    "nina": "N.I.N.A. Bias, Dark Flats, and Darks: 200 biases without the first 10, 30 to 50 darks and dark flats, "
    "frames within 0.3 °C, a refresh twice a year.",
    "playbook": "N.I.N.A. Dark Library Playbook: 32 darks, 30 at least, refreshed each March and September.",
    "anawbpps": "ANAWBPPS Master Calibration Creation Guide: its table of counts, darks within 1 °C, flats within "
    "5 °C, dark flats within 3 hours and rather after the flats, flats at half of the range, rejection as in its "
    "script.",
    "pulsar": "PULSAR: medians without rejection, each flat scaled to a median of 5000 ADU, one exposure per filter, "
    "and a list of the hottest pixels beside each dark. It knows no dark flats: every flat needs a dark of its "
    "exposure.",
}
"""What each profile stands for, in a sentence for its user."""

PROFILES: Final[Mapping[str, Mapping[str, Any]]] = {
    "default": {},
    "ap": {
        "layout": "ap",
        "same_run": False,
        "match": {"use_dark_flats": False, "scale_dark": True},
        "recipe": {"all": {"rejection": "winsorized", "sigma_low": 4.0, "sigma_high": 3.0}},
    },
    "nina": {
        "layout": "nina",
        "counts": {
            "bias": {"minimum": 190, "recommended": 200, "optimal": 210},  # its capture loop takes 220
            "dark": {"minimum": 30, "recommended": 40, "optimal": 50},
            "dark_flat": {"minimum": 30, "recommended": 40, "optimal": 50},
        },
        "group": _DATED,
        "cull": {"discard_first": {"bias": 10}} | _FRAME_TEMPERATURE,
        "library": {"policy": "nina-biannual", "index_path": "ops/calibration-index.md"},
    },
    "playbook": {
        "layout": "playbook",
        "counts": {"dark": {"minimum": 30, "recommended": 32, "optimal": 32}},
        "group": _DATED,
        "cull": _FRAME_TEMPERATURE,
        "recipe": {"all": {"rejection": "winsorized", "sigma_low": 4.0, "sigma_high": 3.0}},
        "quality": {"refresh_percent": 10.0, "service_percent": 15.0, "cooler_change_c": 1.0},
        "library": {"policy": "nina-seasonal"},
    },
    "anawbpps": {
        "layout": "anawbpps",
        "counts": {
            "bias": {"minimum": 50, "recommended": 100, "optimal": 200},
            "dark": {"minimum": 15, "recommended": 30, "optimal": 50},
            "dark_flat": {"minimum": 15, "recommended": 30, "optimal": 50},
            "flat": {"minimum": 20, "recommended": 30, "optimal": 50},
        },
        "group": {"temperature_tolerance_c": 1.0, "epoch_days": 7},  # its folders are dated, its script knows 7 days
        "match": {
            "temperature_tolerance_c": 1.0,
            "flat_temperature_tolerance_c": 5.0,
            "dark_flat_window_h": 3.0,
            "prefer_later": True,
            "bias_ignores_temperature": True,
        },
        "recipe": {
            "dark": {"rejection": "linear-fit", "linear_fit_low": 4.0, "linear_fit_high": 2.0},
            "dark_flat": {"rejection": "linear-fit", "linear_fit_low": 4.0, "linear_fit_high": 2.0},
            "flat": {"rejection": "linear-fit", "linear_fit_low": 5.0, "linear_fit_high": 2.5},
        },
        "flat": {"recommended_low": 0.45, "recommended_high": 0.55},
        "library": {"policy": "anawbpps-monthly"},
    },
    "pulsar": {
        "layout": "pulsar",
        "counts": {
            "bias": {"minimum": 15, "recommended": 30, "optimal": 50},
            "dark": {"minimum": 15, "recommended": 30, "optimal": 50},
            "dark_flat": {"minimum": 15, "recommended": 30, "optimal": 50},
            "flat": {"minimum": 15, "recommended": 30, "optimal": 50},
        },
        "group": {"dark_flat_window_h": 0.0},
        "match": {"require_dark": True},
        "recipe": {
            "all": {"combination": "median", "rejection": "none"},
            "flat": {"target_median": 5000.0},
        },
        "flat": {"recommended_low": 0.25, "recommended_high": 0.40, "consistent_exposures": True, "cosmetic": True},
        "library": {"defects_beside_darks": True},
    },
}
