"""The flags that stand for settings: one row each, grouped as ``--help`` shows them."""

from typing import Final, NamedTuple


class Flag(NamedTuple):
    """One flag: the setting it gives by its dotted name, its spellings, and what ``--help`` says of it.

    ``also`` names further settings that take the same value.
    """

    setting: str
    names: tuple[str, ...]
    help: str
    also: tuple[str, ...] = ()


class Family(NamedTuple):
    """Flags that belong together, and the heading that ``--help`` gives them."""

    title: str
    flags: tuple[Flag, ...]

    def only(self, *some: Flag) -> "Family":
        """Return the family with these flags alone."""
        return Family(self.title, some)


WHAT: Final = Family(
    "What is built",
    (
        Flag("stages", ("--stage",), "Build only these stages: bias, dark (with dark flats), flat; as bias,dark."),
        Flag("types", ("--type",), "Build only these frame types: bias, dark, dark flat, flat; as bias,dark."),
        Flag("counts.min_frames", ("--min-frames",), "Fewest frames that make a master (default 3, linear fit 5)."),
    ),
)

GROUPING: Final = Family(
    "How frames are grouped",
    (
        Flag(
            "cull.discard_first.bias",
            ("--discard-first",),
            "Leave out this many of the earliest frames of every group.",
            ("cull.discard_first.dark", "cull.discard_first.dark_flat", "cull.discard_first.flat"),
        ),
        Flag("group.temperature_tolerance_c", ("--temperature-tolerance",), "Largest spread of a group, in °C."),
        Flag("group.mixed_exposure_flats", ("--mixed-exposure-flats",), "Group flats whatever their exposure (sky)."),
    ),
)

RECIPE: Final = Family(
    "How it is integrated",
    (
        Flag("recipe.all.combination", ("--combination",), "How samples become one."),
        Flag("recipe.all.rejection", ("--rejection",), "Pixel rejection; auto chooses by the number of frames."),
        Flag("recipe.all.sigma_low", ("--sigma-low",), "Low limit of sigma, winsorized and averaged (default 4)."),
        Flag("recipe.all.sigma_high", ("--sigma-high",), "High limit of sigma, winsorized and averaged (default 3)."),
        Flag("recipe.all.winsorization_cutoff", ("--winsorization-cutoff",), "Cutoff in sigma (default 5)."),
        Flag("recipe.all.percentile_low", ("--percentile-low",), "Low limit, a fraction (default 0.2)."),
        Flag("recipe.all.percentile_high", ("--percentile-high",), "High limit, a fraction (default 0.1)."),
        Flag("recipe.all.minmax_low", ("--minmax-low",), "Lowest samples left out (default 1)."),
        Flag("recipe.all.minmax_high", ("--minmax-high",), "Highest samples left out (default 1)."),
        Flag("recipe.all.linear_fit_low", ("--linear-fit-low",), "Low limit of the linear fit (default 5)."),
        Flag("recipe.all.linear_fit_high", ("--linear-fit-high",), "High limit of the linear fit (default 3.5)."),
        Flag("recipe.all.esd_outliers", ("--esd-outliers",), "Largest fraction of outliers (default 0.3)."),
        Flag("recipe.all.esd_alpha", ("--esd-alpha",), "Significance of ESD (default 0.05)."),
        Flag("recipe.all.esd_low_relaxation", ("--esd-low-relaxation",), "Relaxation of the low side (default 1)."),
        Flag("recipe.all.normalization", ("--normalization",), "Scaling before combination (flats: multiplicative)."),
        Flag("recipe.all.rejection_normalization", ("--rejection-normalization",), "Scaling for rejection only."),
        Flag("recipe.flat.target_median", ("--target-median",), "Scale each flat to this median, in ADU."),
        Flag("dark.subtract_bias", ("--subtract-bias",), "Subtract the master bias from each dark: none or master."),
        Flag("dark.subtract_constant", ("--subtract-constant",), "Subtract this many ADU from each dark."),
    ),
)

MATCH: Final = Family(
    "What flats are calibrated with",
    (
        Flag("bias_master_dir", ("--bias-master-dir",), "Folder or library of master biases for the flats."),
        Flag("dark_master_dir", ("--dark-master-dir",), "Folder or library of master darks for the flats."),
        Flag("same_run", ("--same-run/--no-same-run",), "Whether masters of this run may serve its own flats."),
        Flag("match.use_dark_flats", ("--use-dark-flats/--no-dark-flats",), "Whether dark flats are looked for."),
        Flag("match.scale_dark", ("--scale-dark/--no-scale-dark",), "Scale a dark of another exposure (needs a bias)."),
        Flag("match.allow_uncalibrated", ("--allow-uncalibrated",), "Build flats for which nothing matches."),
        Flag("match.lenient_unknown", ("--lenient-unknown",), "Let a missing keyword match any value."),
        Flag("match.bias_ignores_temperature", ("--bias-ignores-temperature",), "Match biases of any temperature."),
        Flag(
            "match.dark_flat_window_h",
            ("--dark-flat-window",),
            "Hours between a flat and its dark flat.",
            ("group.dark_flat_window_h",),
        ),
        Flag(
            "match.temperature_tolerance_c", ("--match-temperature",), "How far a master's temperature may be, in °C."
        ),
    ),
)

_SCALE: Final = Flag("scale", ("--scale",), "Samples in 0..1 (unit) or in counts of the 16-bit range (adu).")
_COMPRESSION: Final = Flag(
    "compression", ("--compression",), "Compression of XISF masters; PixInsight writes them as they are."
)

LAYOUT: Final = Flag(
    "layout", ("--layout",), "ap, anawbpps, playbook, nina, pulsar, wbpp, siril, livestack, or a path of your own."
)

OUTPUT: Final = Family(
    "Where and how masters are written",
    (
        LAYOUT,
        Flag("format", ("--format",), "File format of masters (default: the layout's own)."),
        _SCALE,
        _COMPRESSION,
        Flag("quality.gate", ("--gate/--no-gate",), "Whether a master that fails its checks is quarantined."),
    ),
)

_MEMORY: Final = Flag(
    "memory",
    ("--memory",),
    "Memory for integration, with its unit: 2G or 800M (default with numpy: half of what is free).",
)
_THREADS: Final = Flag("threads", ("--threads",), "Processors for the numpy engine (default: all).")

ENGINE: Final = Family(
    "Engine",
    (
        Flag("engine", ("--engine",), "Who integrates; auto takes PixInsight where it is found, else numpy."),
        _MEMORY,
        _THREADS,
    ),
)

PIXINSIGHT: Final = Family(
    "PixInsight",
    (
        Flag("pixinsight.binary", ("--pixinsight-binary",), "The PixInsight program."),
        Flag("pixinsight.instance_id", ("--instance-id",), "First instance slot to use, 1 to 256 (default 123)."),
        Flag("pixinsight.instances", ("--instances",), "Instances of PixInsight side by side."),
        Flag("pixinsight.force_exit", ("--force-exit/--no-force-exit",), "Whether PixInsight closes when it is done."),
        Flag("pixinsight.timeout_s", ("--pixinsight-timeout",), "Seconds without a sign of life before giving up."),
        Flag("pixinsight.javascript", ("--pixinsight-js",), "JavaScript engine the script is written for."),
        Flag("pixinsight.script_dir", ("--script-dir",), "Folder for the script (default: logs in the library)."),
    ),
)

POLICY: Final = Flag(
    "library.policy",
    ("--policy",),
    "When masters are due again: nina-seasonal, nina-biannual, anawbpps-monthly, never, or one of your own.",
)
INDEX_PATH: Final = Flag(
    "library.index_path", ("--path",), "Where the Markdown index goes, relative to the library (default: where it is)."
)
KEEPING: Final = Family("How the library is kept", (POLICY, INDEX_PATH))

STACKING: Final = Family("Reading and writing", (_MEMORY, _THREADS, _SCALE, _COMPRESSION))

ALL: Final = (WHAT, GROUPING, RECIPE, MATCH, OUTPUT, ENGINE, PIXINSIGHT)
EVERY: Final = (*ALL, KEEPING)
