"""Where PixInsight is, how it has to be started on this system, and which of its instances run."""

import hashlib
import os
import plistlib
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from ap_masters.engines.pixinsight import slots
from ap_masters.model import JavaScript, Noun
from ap_masters.safe import one_line

_USUAL: Final[Mapping[str, tuple[str, ...]]] = {
    "win32": (
        r"C:\Program Files\PixInsight\bin\PixInsight.exe",
        r"C:\Program Files\PixInsight\PixInsight.exe",
    ),
    "darwin": (
        "/Applications/PixInsight/PixInsight.app/Contents/MacOS/PixInsight",
        "/Applications/PixInsight.app/Contents/MacOS/PixInsight",
    ),
    "linux": (
        "/opt/PixInsight/bin/PixInsight.sh",
        "/opt/PixInsight/bin/PixInsight",
        "/usr/bin/PixInsight",
        "/usr/local/bin/PixInsight",
    ),
}
_INSIDE: Final[Mapping[str, tuple[str, ...]]] = {  # of the folder that PixInsight is installed in
    "win32": ("bin/PixInsight.exe", "PixInsight.exe"),
    "darwin": ("Contents/MacOS/PixInsight", "PixInsight.app/Contents/MacOS/PixInsight"),
    "linux": ("bin/PixInsight.sh", "bin/PixInsight"),
}
_NAMES: Final = ("PixInsight", "PixInsight.sh", "pixinsight")
_FIRST_WITH_V8: Final = (1, 9, 4)
_SLOT: Final = re.compile(r"^(?:-n|--new|--new-instance)=(\d{1,3})$")
_XVFB: Final = ("-a", "-s", "-screen 0 1920x1080x24")


class Found(NamedTuple):
    """Where PixInsight is (None: nowhere), and every place that was looked at, in that order."""

    path: Path | None
    looked_at: tuple[Path, ...]


class Facts(Noun):
    """What ``ap-masters doctor`` says of PixInsight on this machine; ``notes`` are what to do, in words."""

    binary: Path | None
    looked_at: tuple[Path, ...]
    version: str | None
    slots_in_use: tuple[int, ...]
    display: str | None  # what PixInsight would draw on; None: nothing
    xvfb_run: Path | None
    notes: tuple[str, ...] = ()


def find_binary(
    configured: Path | None,
    *,
    platform: str = sys.platform,
    usual: Sequence[Path] | None = None,
    which: Mapping[str, str] | None = None,
) -> Found:
    """Return PixInsight's program: the configured one alone if one is configured, else the usual places, then PATH.

    What is configured may be the folder that PixInsight is installed in. On Linux the program itself cannot run
    without the environment that ``PixInsight.sh`` beside it sets up, so that script is taken where it stands.
    ``which`` replaces the look-up in PATH (name -> place).
    """
    if configured is not None:
        return _configured(configured.expanduser(), platform)
    places = list(usual if usual is not None else map(Path, _of(_USUAL, platform)))
    looked_at: list[Path] = []
    for place in places:
        looked_at.append(place)
        if place.is_file():
            return Found(_launcher(place, platform), tuple(looked_at))
    for name in _NAMES:
        looked_at.append(Path(name))
        hit = shutil.which(name) if which is None else which.get(name)
        if hit:
            return Found(_launcher(Path(hit), platform), tuple(looked_at))
    return Found(None, tuple(looked_at))


def _configured(place: Path, platform: str) -> Found:
    if not place.is_dir():
        path = _launcher(place, platform)
        return Found(path if path.is_file() else None, (path,))
    inside = [place / name for name in _of(_INSIDE, platform)]
    return Found(next((path for path in inside if path.is_file()), None), (place, *inside))


def _of(places: Mapping[str, tuple[str, ...]], platform: str) -> tuple[str, ...]:
    return places.get(platform, places["linux"])


def _launcher(binary: Path, platform: str) -> Path:
    launcher = binary.with_name("PixInsight.sh")
    return launcher if platform == "linux" and binary.name == "PixInsight" and launcher.is_file() else binary


def display_of(environ: Mapping[str, str], platform: str = sys.platform) -> str | None:
    """Return the display that a program started with ``environ`` would draw on, None where there is none."""
    if platform in {"win32", "darwin"}:
        return "the desktop"
    return environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY") or None


def with_display(
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    platform: str = sys.platform,
    xvfb_run: str | None,
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the command and environment that give PixInsight a display: a virtual one where there is no real one.

    PixInsight has no mode without a window. Without a display and without xvfb-run the command is returned as
    it is; PixInsight then ends at once, and the advice of that failure names xvfb.
    """
    if display_of(environ, platform) is not None or xvfb_run is None:
        return tuple(command), dict(environ)
    return (xvfb_run, *_XVFB, *command), {**environ, "QT_QPA_PLATFORM": "xcb"}


def slots_in_use(command_lines: Iterable[Sequence[str]] | None = None) -> frozenset[int]:
    """Return the instance slots that running PixInsight processes were started with (``-n=123``).

    An instance without the option is in the first free slot, which is counted as slot 1. ``command_lines``
    replaces the look at the processes of this machine.
    """
    slots: set[int] = set()
    for line in _command_lines() if command_lines is None else command_lines:
        # The program, or what a shell or an interpreter was given to run.
        if not any(Path(part.replace("\\", "/")).stem.lower() == "pixinsight" for part in line[:2]):
            continue
        numbers = [int(match[1]) for part in line if (match := _SLOT.match(part))]
        slots.update(numbers or [1])
    return frozenset(slots)


def _command_lines() -> Iterable[Sequence[str]]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # Windows may answer with any error of its own about one that just ends
            if line := process.cmdline():
                yield line


def version_of(binary: Path) -> str | None:
    """Return the version where it can be read without starting PixInsight: from an application bundle."""
    bundle = next((parent for parent in binary.parents if parent.suffix == ".app"), None)
    if bundle is None:
        return None
    try:
        info = plistlib.loads((bundle / "Contents" / "Info.plist").read_bytes())
    except (OSError, ValueError, plistlib.InvalidFileException):
        return None
    version = info.get("CFBundleShortVersionString") if isinstance(info, dict) else None
    return str(version) if version else None


def dialect(wanted: JavaScript, binary: Path | None, *, platform: str = sys.platform) -> JavaScript:
    """Return the JavaScript to write for ``binary``: ``wanted``, or V8 for a PixInsight that may know nothing else.

    From 1.9.4 on every PixInsight runs V8 scripts, and that for Apple silicon no others; it takes them for V8's
    only where they say so, which older ones do not understand.
    """
    if wanted != "portable" or platform != "darwin" or binary is None:
        return wanted
    numbers = re.findall(r"\d+", version_of(binary) or "")
    return "v8" if tuple(map(int, numbers[:3])) >= _FIRST_WITH_V8 else wanted


def remember_version(binary: Path, version: str) -> None:
    """Keep the version that PixInsight said when it ran: its program does not say it without a window.

    It is kept for this very file: an update is another one. A folder that cannot be written is no harm.
    """
    with suppress(OSError):
        note = _note(binary)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(version, encoding="utf-8")


def _remembered_version(binary: Path) -> str | None:
    try:
        return one_line(_note(binary).read_text(encoding="utf-8", errors="replace")[:40]) or None
    except OSError:
        return None


def _note(binary: Path) -> Path:
    """Return where the version of ``binary`` is kept. Raises OSError where there is no such program."""
    path = binary.resolve()
    status = path.stat()
    name = hashlib.sha256(f"{path} {status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:16]
    return slots.state_folder() / "versions" / f"{name}.txt"


def examine(configured: Path | None) -> Facts:
    """Return what there is to say of PixInsight on this machine."""
    found = find_binary(configured)
    xvfb = shutil.which("xvfb-run")
    display = display_of(os.environ)
    return Facts(
        binary=found.path,
        looked_at=found.looked_at,
        version=(version_of(found.path) or _remembered_version(found.path)) if found.path else None,
        slots_in_use=tuple(sorted(slots_in_use())),
        display=display,
        xvfb_run=Path(xvfb) if xvfb else None,
        notes=tuple(_notes(found.path, display is not None or xvfb is not None)),
    )


def _notes(found: Path | None, displayed: bool) -> Iterable[str]:
    if found is None:
        yield (
            "PixInsight was not found. Install it, or say where it is: --pixinsight-binary PATH, "
            "AP_MASTERS_PIXINSIGHT__BINARY, or binary under [pixinsight] in the settings. "
            "The numpy engine works without it"
        )
    elif not os.access(found, os.X_OK):
        yield f"{found} is no program that can be run: name PixInsight's own with --pixinsight-binary PATH"
    if not displayed:
        yield "There is no display for PixInsight's window: install xvfb (apt install xvfb), or log in on a desktop"
    if sys.platform == "darwin" and dialect("portable", found) == "portable":
        yield (
            "PixInsight 1.9.4 for Apple silicon runs V8 scripts only: "
            "set pixinsight.javascript to v8 (--pixinsight-js v8) there"
        )
