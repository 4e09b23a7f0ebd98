"""What the folder of a frame says of its type, where the header leaves room for it; and what its user says of it."""

from collections import Counter
from collections.abc import Iterator, Sequence

from ap_masters.headers.names import FolderHint
from ap_masters.headers.targets import may_be_a_target
from ap_masters.model import DARKS, Decision, Frame, FrameType


def with_hint(frame: Frame, hint: FolderHint | None) -> Frame:
    """Return the frame with the nearest folder's word on its type, where the header leaves room for it.

    A folder gives the type where neither header nor file name has one, and makes a dark in a dark flat folder a
    dark flat (N.I.N.A. 3 writes DARK for both). Where it contradicts the header, the header holds and a warning
    says so. A master whose type is known is left as it is, and a folder that may be a target's decides nothing.
    """
    if hint is None or hint.type is frame.type or (frame.master and frame.type is not None):
        return frame
    kind, folder = hint
    if frame.type is None:
        return frame if frame.type_text is not None else _typed(frame, kind, folder)
    if frame.type is FrameType.DARK and kind is FrameType.DARK_FLAT:
        return _retyped(frame, kind, f"folder '{folder}', where the header says dark")
    if frame.type is FrameType.DARK_FLAT and kind in {FrameType.DARK, FrameType.FLAT}:
        return frame  # who keeps dark flats among the flats or darks has no folder for them alone: the header is right
    if may_be_a_target(folder):
        return frame
    # A dark may be a dark flat yet, which is told where that is decided.
    taken = f"no {kind}" if frame.type is FrameType.DARK else frame.type
    warning = f"the header says {frame.type}, the folder '{folder}' says {kind}: taken as {taken}"
    return frame.model_copy(update={"warnings": (*frame.warnings, warning)})


def overruled(frames: Sequence[Frame], taken: FrameType) -> Iterator[str]:
    """Yield what frames say they are, and how many do, that are ``taken`` for something else at their user's word.

    Darks that are taken for dark flats are no such: most programs write DARK for both.
    """
    said = Counter(frame.type for frame in frames if frame.type not in {None, taken})
    if taken is FrameType.DARK_FLAT:
        del said[FrameType.DARK]
    for kind, count in said.items():
        reasons = (d.reason for frame in frames for d in frame.decisions if d.subject == "type" and d.verdict == kind)
        source = next((f" ({reason})" for reason in reasons), "")
        who = "the frame says" if len(frames) == 1 else f"{count} of {len(frames)} frames say"
        yield f"{who} {kind}{source}, and {'is' if len(frames) == 1 else 'are'} taken for {taken}, as asked"


def in_doubt(place: str) -> Decision:
    """Return the decision to leave the type of a frame open, because the name that has it may be a target's."""
    reason = f"no IMAGETYP, and the {place} may be a target's: set IMAGETYP, or move darks to a folder named 'darks'"
    return Decision(subject="type", verdict="unknown", reason=reason)


def _typed(frame: Frame, kind: FrameType, folder: str) -> Frame:
    """Return a frame whose header is silent with the folder's type; what its own name left in doubt is no flat."""
    doubted = any(decision.subject == "type" for decision in frame.decisions)
    if doubted and kind not in DARKS | {FrameType.LIGHT}:
        return frame
    if may_be_a_target(folder):
        return frame.model_copy(update={"decisions": (*frame.decisions, in_doubt(f"folder '{folder}'"))})
    reason = f"folder '{folder}', as neither header nor file name says"
    return _retyped(frame, kind, reason, f"frame type {kind} taken from the {reason}")


def _retyped(frame: Frame, kind: FrameType, reason: str, *warnings: str) -> Frame:
    decision = Decision(subject="type", verdict=kind, reason=reason)
    return frame.model_copy(
        update={
            "type": kind,
            "decisions": (*frame.decisions, decision),
            "warnings": (*frame.warnings, *warnings),
        },
    )
