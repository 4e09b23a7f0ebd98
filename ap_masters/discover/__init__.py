"""Folders -> frames, and every other file that was found there with the reason why it is none."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import Field

from ap_masters.discover.duplicates import duplicates_of
from ap_masters.discover.known import Known
from ap_masters.discover.walk import Walk, is_packed
from ap_masters.garbage import no_garbage
from ap_masters.header_cache import Entry, HeaderCache
from ap_masters.headers import FolderHint, folder_hint, with_hint
from ap_masters.model import CALIBRATION_TYPES, Decision, Frame, FrameType, Noun, Reason, SetAside
from ap_masters.wording import number

__all__ = ["NO_TYPE", "Discovery", "discover"]

NO_TYPE: Final = "(none)"
"""How ``types_seen`` counts files whose header names no frame type."""


class Discovery(Noun):
    """What was found: every image file is in ``frames`` or in ``set_aside``, never in both, never in neither.

    ``frames`` are raw calibration frames, by folder and name. ``lights`` and ``masters`` (of calibration types) are
    set aside as well, and stand here as matching and the inference of dark flats want to know them. ``types_seen``
    counts the spellings of the frame type as written.
    """

    frames: tuple[Frame, ...] = ()
    lights: tuple[Frame, ...] = ()
    masters: tuple[Frame, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    types_seen: dict[str, int] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def discover(
    roots: Sequence[Path], *, cache: HeaderCache | None, threads: int | None = None, exclude: Sequence[Path] = ()
) -> Discovery:
    """Return what lies under ``roots``, folders or single files, in an order that depends on the paths alone.

    Headers are read in ``threads`` threads, or taken from ``cache`` where size and time are unchanged; pixels are read
    only of frames that seem to be one exposure. Folders named ``.ap-masters`` and those in ``exclude`` are passed over.
    Raises UsageError for a root that does not exist; everything else that goes wrong is set aside with its reason.
    """
    with no_garbage():
        return _discover(Walk(roots, exclude=exclude), cache, threads)


def _discover(walk: Walk, cache: HeaderCache | None, threads: int | None) -> Discovery:
    known = Known(walk, cache=cache, threads=threads)
    frames: list[Frame] = []
    others: list[Frame] = []
    set_aside = list(walk.set_aside)
    for folder in walk:
        hint = folder_hint(folder.path, folder.root)
        for name, entry in sorted(known.folder(folder.path).items()):
            frame, reason, detail = _judge(entry, hint)
            if frame is not None:
                (frames if reason is None else others).append(frame)
            if reason is not None:
                set_aside.append(SetAside(path=folder.path / name, reason=reason, detail=detail))
    copies = duplicates_of(frames, known)
    set_aside += [SetAside(path=path, reason=Reason.DUPLICATE, detail=detail) for path, detail in copies.items()]
    known.save()
    return Discovery(
        frames=tuple(frame for frame in frames if not copies or frame.path not in copies),
        lights=tuple(frame for frame in others if frame.type is FrameType.LIGHT and not frame.master),
        masters=tuple(frame for frame in others if frame.type in CALIBRATION_TYPES),
        set_aside=tuple(sorted(set_aside, key=lambda aside: aside.path)),
        types_seen=dict(sorted(Counter(frame.type_text or NO_TYPE for frame in (*frames, *others)).items())),
        warnings=_warnings(walk),
    )


def _judge(entry: Entry, hint: FolderHint | None) -> tuple[Frame | None, Reason | None, str]:
    """Return the frame in a file, and why it is not one to integrate; no reason means that it is."""
    if entry.frame is None:
        return None, Reason.UNREADABLE, entry.problem or ""
    frame = with_hint(entry.frame, hint)
    if frame.master:
        return frame, Reason.MASTER, f"{frame.type or 'integrated image'}: {_why(frame, 'master')}"
    if frame.type is None:
        return frame, Reason.UNKNOWN_TYPE, _unknown(frame)
    if frame.type is FrameType.LIGHT:
        return frame, Reason.LIGHT, "; ".join((_why(frame, "type"), *frame.warnings))
    return frame, None, ""


def _why(frame: Frame, subject: str) -> str:
    """Return the reason of the last decision on a subject, which is the one in force."""
    decisions: list[Decision] = [decision for decision in frame.decisions if decision.subject == subject]
    return decisions[-1].reason if decisions else ""


def _unknown(frame: Frame) -> str:
    expected = ", ".join(CALIBRATION_TYPES)
    if frame.type_text is None:
        return _why(frame, "type") or f"no IMAGETYP, and neither file name nor folder says which of {expected} it is"
    return f"'{frame.type_text}' is none of {expected}"


def _warnings(walk: Walk) -> tuple[str, ...]:
    """Return a word on each kind of file that may be frames but cannot be read."""
    return tuple(
        f"{number(count, f'{suffix} file')} passed over: {_why_not(suffix)}"
        for suffix, count in sorted(walk.passed_over.items())
    )


def _why_not(suffix: str) -> str:
    if not is_packed(suffix):
        return "only FITS and XISF are read"
    return "unpack first, as of packed files only .fits.gz and .fits.fz are read"
