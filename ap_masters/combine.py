"""One stack of any frames: what PULSAR calls ``med``, with every method of the numpy engine, and a record beside it."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final, NamedTuple

from ap_masters import headers, images, recipes
from ap_masters import record as records
from ap_masters.config import CountSettings
from ap_masters.engines import Engine
from ap_masters.errors import (
    AllJobsFailed,
    ImageError,
    LibraryError,
    NothingToDo,
    RecordError,
    UnwritableImage,
    UsageError,
    reason_of,
)
from ap_masters.inspection import read_frame
from ap_masters.library import store
from ap_masters.library.places import library_around
from ap_masters.model import (
    CALIBRATION_TYPES,
    Failed,
    Frame,
    FrameType,
    Group,
    GroupKey,
    Integrated,
    Job,
    Keyword,
    MasterStatus,
    OnProgress,
    Reason,
    Recipe,
    Rejection,
    SampleScale,
    SetAside,
    differ,
)
from ap_masters.moving import take_place
from ap_masters.safe import shell_words
from ap_masters.wording import number

_SAYS_A_TYPE: Final = {"IMAGETYP", "APMTYPE"}
_COUNTS: Final = CountSettings()
_COMBINED: Final = "combined"
_MOST_NAMED: Final = 4  # of the values that differ, in one warning
# In what frames of one stack should agree; temperatures, times and angles are never quite alike.
_ALIKE: Final = (
    *("type", "camera", "gain", "offset", "iso", "x_binning", "readout_mode", "exposure", "filter"),
    *("row_order", "bayer_pattern", "calibration_state"),
)
# No frame of one stack is so many times as bright as another, unless 1.0 and 65535 both stand for white.
_ONE_SCALE: Final = 100


class Combined(NamedTuple):
    """What came of it: the engine's result with its final path, the record, and the frames that were left out."""

    result: Integrated
    record: records.Record
    set_aside: tuple[SetAside, ...]
    warnings: tuple[str, ...]


def combine(
    inputs: Sequence[Path],
    output: Path,
    recipe: Recipe,
    engine: Engine,
    on_progress: OnProgress,
    *,
    frame_type: FrameType | None = None,
    scale: SampleScale = "unit",
    counts: CountSettings = _COUNTS,
    overwrite: bool = False,
    record_suffix: str | None = ".xrs",
) -> Combined:
    """Integrate ``inputs`` by ``recipe`` into one file at ``output``, whose suffix says XISF or FITS.

    ``frame_type`` says what the frames are, whatever their headers and names do, of which a warning tells. Files that
    cannot be read, and those of another geometry than most, are left out and returned. ``counts`` is how many frames
    make a master of which grade. The file appears whole or not at all.
    Raises UsageError for an output that is there already, has no known suffix, or would be a library's without a
    record, NothingToDo for fewer than
    two frames or than min-max rejection leaves anything of, UnwritableImage where nothing can be written, AllJobsFailed
    when the engine could not integrate them.
    """
    _check(output, overwrite=overwrite, record_suffix=record_suffix)
    frames, unreadable = _frames(inputs)
    frames, others = _of_one_geometry(frames)
    found = f"{len(frames)} of {number(len(inputs), 'file')} can be combined{_first((*unreadable, *others))}"
    if len(frames) < 2:
        raise NothingToDo(f"{found}; two are needed{_alone(inputs)}")
    if len(frames) < recipe.fewest_survivable:
        raise NothingToDo(
            f"{found}, {recipe.fewest_survivable} are needed{recipe.demand}: name more, or choose another --rejection"
        )
    job = _job(frames, output, recipe, frame_type, scale)
    with _work_beside(output) as work:
        (result,) = engine.run([job], work, on_progress)
        if isinstance(result, Failed):
            raise AllJobsFailed(f"{output}: {result.reason}. {result.advice}".strip())
        images.read_info(result.path)  # what cannot be read again is no result
        record = _finish(job, result, output, counts, record_suffix)
    return Combined(
        result=result.model_copy(update={"path": output}),
        record=record,
        set_aside=(*unreadable, *others, *result.dropped),
        warnings=(
            *(headers.overruled(frames, frame_type) if frame_type else ()),
            *_mixtures(frames),
            *_scales(result),
            *_unjudged(record, output),
        ),
    )


@contextmanager
def _work_beside(output: Path) -> Iterator[Path]:
    """Give a folder to work in, on the disk of ``output``, so that the result can be put in its place by one rename."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        work = tempfile.TemporaryDirectory(prefix=".ap-masters-", dir=output.parent)
    except OSError as error:
        raise UnwritableImage(
            output,
            f"nothing can be written to its folder: {reason_of(error)}; name another place, or mend the "
            "permissions or the free space of this one",
        ) from error
    with work as folder:
        yield Path(folder)


def _alone(inputs: Sequence[Path]) -> str:
    """Return how to name more files than one: in names of an ASIAIR the time changes with the number."""
    if len(inputs) != 1:
        return ""
    first = inputs[0]
    pattern = first.with_name(f"*{first.name[len(images.without_suffix(first.name)) :]}")
    return (
        f". Name more files, their folder ({first.parent}) or a wildcard (as {pattern}): one file stands for its "
        "sequence where nothing but the number at the end of the name changes"
    )


def _check(output: Path, *, overwrite: bool, record_suffix: str | None) -> None:
    if output.is_dir():
        raise UsageError(f"{output}: is a folder; name the file to write last")
    if output.suffix.lower() not in images.WRITTEN_SUFFIXES:
        raise UsageError(
            f"{output}: the output's suffix says its format; it is one of {', '.join(images.WRITTEN_SUFFIXES)}"
        )
    if output.exists():
        if not _is_result(output):
            raise UsageError(f"{output}: is a frame, or may be one, and is not replaced; name the file to write last")
        if not overwrite:
            raise UsageError(f"{output}: is there already; --overwrite replaces it")
        if _is_kept(output, record_suffix):
            raise UsageError(
                f"{output}: is a master of a library, which a build replaces and keeps; write elsewhere, and take the "
                "result in by `ap-masters library import`"
            )
    if record_suffix is not None:
        _check_record(output, records.record_path(output, record_suffix), overwrite=overwrite)
    elif _is_in_library(output):
        raise UsageError(
            f"{output}: lies in a library, where a master without a record would serve unjudged; leave out "
            "--no-record, or write elsewhere"
        )


def _check_record(output: Path, record: Path, *, overwrite: bool) -> None:
    """Raise UsageError where the record of ``output`` would take the place of another's, or of something else."""
    is_new = not output.exists()
    if is_new and record.exists() and _is_in_library(output):
        raise UsageError(f"{output}: the record of a master that is gone stands there; choose another name")
    for other in store.sharing(output):
        if is_new or not other.samefile(output):
            raise UsageError(f"{output}: would share its record with {other.name}; choose another name")
    if is_new and record.exists() and not overwrite:
        raise UsageError(f"{record}: stands where the record goes; --overwrite replaces it")


def _is_result(path: Path) -> bool:
    """Say whether something was combined to this file: it has a record beside it, or says so itself."""
    if records.record_path(path).exists():
        return True
    try:
        return read_frame(path).master
    except (ImageError, OSError):
        return False  # it may be a frame that is damaged, or still being written


def _is_kept(path: Path, record_suffix: str | None) -> bool:
    """Say whether a library answers for this file: all but what was combined to it, and not moved since."""
    if not _is_in_library(path):
        return False
    try:
        history = records.read(records.record_path(path, record_suffix or records.SUFFIXES[0])).history
    except RecordError:
        return True
    return not history or any(event.reason != _COMBINED for event in history)


def _unjudged(record: records.Record, output: Path) -> Iterator[str]:
    if record.status is MasterStatus.CANDIDATE:
        command = shell_words("ap-masters", "library", "publish", output)
        yield (
            f"{output} stands in a library, where it serves nothing before it is judged: look at it, then "
            f"{command} --reason WHY"
        )


def _is_in_library(path: Path) -> bool:
    try:
        library_around(path)
    except LibraryError:
        return False
    return True


def _frames(inputs: Iterable[Path]) -> tuple[list[Frame], list[SetAside]]:
    frames, unreadable = [], []
    for path in inputs:
        try:
            status = path.stat()
            info = images.read_info(path)
        except ImageError as error:
            unreadable.append(SetAside(path=path, reason=Reason.UNREADABLE, detail=error.what))
        except OSError as error:
            unreadable.append(SetAside(path=path, reason=Reason.UNREADABLE, detail=reason_of(error)))
        else:
            frames.append(headers.frame_from(info, size=status.st_size, mtime_ns=status.st_mtime_ns))
    return frames, unreadable


def _of_one_geometry(frames: Sequence[Frame]) -> tuple[list[Frame], list[SetAside]]:
    """Return the frames of the most frequent geometry, and the rest. Raises UsageError for a draw."""
    shapes = [f"{frame.width}x{frame.height}x{frame.channels}" for frame in frames]
    (usual, number), *rivals = Counter(shapes).most_common(2) or [("", 0)]
    if any(as_many == number for _, as_many in rivals):
        raise UsageError(f"{number} frames are {usual} and as many {rivals[0][0]}; name those that belong together")
    others = [
        SetAside(path=frame.path, reason=Reason.GEOMETRY, detail=f"is {shape}; {number} others are {usual}")
        for frame, shape in zip(frames, shapes, strict=True)
        if shape != usual
    ]
    return [frame for frame, shape in zip(frames, shapes, strict=True) if shape == usual], others


def _mixtures(frames: Sequence[Frame]) -> Iterator[str]:
    """Yield in what the frames differ that belong to one stack; it is the user's word that they do."""
    for field in _ALIKE:
        values = Counter(_about(getattr(frame, field)) for frame in frames)
        if len(values) > 1:
            told = ", ".join(f"{'none' if v is None else v} ({count})" for v, count in values.most_common(_MOST_NAMED))
            more = " …" if len(values) > _MOST_NAMED else ""
            yield f"the frames differ in {field.removeprefix('x_').replace('_', ' ')}: {told}{more}"


def _scales(result: Integrated) -> Iterator[str]:
    """Yield that frames in [0, 1] and frames in counts seem to have been stacked."""
    levels = sorted(frame.level for frame in result.frames if frame.level is not None and frame.level > 0)
    if levels and levels[-1] > _ONE_SCALE * levels[0]:
        yield f"the frames' levels range from {levels[0]:.3g} to {levels[-1]:.3g}: are all of them on one scale?"


def _about(value: object) -> object:
    """Return a value as far as frames of one stack agree on it: cameras tell exposures to the microsecond."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _first(aside: Sequence[SetAside]) -> str:
    return f" ({aside[0].path.name}: {aside[0].detail})" if aside else ""


def _job(
    frames: Sequence[Frame],
    output: Path,
    recipe: Recipe,
    frame_type: FrameType | None,
    scale: SampleScale,
) -> Job:
    """Return the job; where no calibration type is known, the result does not claim to be a master of one."""
    types = {frame.type for frame in frames}
    known = frame_type or (types.pop() if len(types) == 1 else None)
    key = _shared_key(frames, known or FrameType.LIGHT)
    if recipe.rejection is Rejection.AUTO:
        recipe = recipe.model_copy(update={"rejection": recipes.automatic_rejection(key.type, len(frames))})
    keywords: tuple[Keyword, ...] = headers.master_keywords(key, frames, recipe, None, scale=scale)
    if known is None:
        keywords = tuple(keyword for keyword in keywords if keyword.name not in _SAYS_A_TYPE)
    return Job(
        id="combine",
        group=Group(key=key, frames=tuple(frames)),
        recipe=recipe,
        output=Path(output.name),
        keywords=keywords,
        image_type=headers.image_type_of(known),
        scale=scale,
    )


def _shared_key(frames: Sequence[Frame], frame_type: FrameType) -> GroupKey:
    """Return what all frames state alike; what differs is not said of the result."""
    keys = [GroupKey.of(frame.model_copy(update={"type": frame_type})) for frame in frames]
    return keys[0].model_copy(update={name: None for name in GroupKey.model_fields if differ(keys, name)})


def _finish(
    job: Job, result: Integrated, output: Path, counts: CountSettings, record_suffix: str | None
) -> records.Record:
    """Put the result in its place and write its record. Frames are not hashed: that takes longer than stacking.

    Within a library it is a candidate: what serves there has been judged.
    """
    status = MasterStatus.CANDIDATE if _is_in_library(output) else MasterStatus.PUBLISHED
    record = records.complete(records.draft(job, result.engine.name), result, {})
    kind = job.group.key.type
    record = record.model_copy(
        update={
            "grade": counts.of(kind).grade(len(result.frames)) if kind in CALIBRATION_TYPES else None,
            "status": status,
            "history": (records.Event(at=result.started, status=status, reason=_COMBINED),),
            "master": record.master.model_copy(update={"size": result.path.stat().st_size}),
        }
    )
    try:
        with records.written(record, records.record_path(output, record_suffix)) if record_suffix else nullcontext():
            take_place(result.path, output)
    except OSError as error:
        advice = "; close it in other programs, or mend its permissions" if isinstance(error, PermissionError) else ""
        raise UnwritableImage(output, f"cannot be put in its place: {reason_of(error)}{advice}") from error
    return record
