"""Files -> frames -> groups -> plan: what a build would do, from headers and records alone."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from ap_masters import discover, group, plan
from ap_masters.config import Settings
from ap_masters.discover.duplicates import digest_of
from ap_masters.errors import LibraryError, NothingToDo
from ap_masters.files import longest_path
from ap_masters.header_cache import HeaderCache
from ap_masters.library import holdings, lock
from ap_masters.model import CALIBRATION_TYPES, QUARANTINE, SUPERSEDED, FrameType, Group, Job, Plan, SetAside
from ap_masters.record import Record
from ap_masters.wording import number, numbers


def require_folder(library: Path) -> None:
    """Raise LibraryError where masters cannot go, as there is a file."""
    if library.exists() and not library.is_dir():
        raise LibraryError(f"{library}: is a file; OUTPUT is the folder that the masters go to")


def survey(
    inputs: Sequence[Path],
    library: Path,
    settings: Settings,
    *,
    engine: str,
    refuses: Callable[[Job], str | None] | None = None,
    cache: HeaderCache | None = None,
) -> Plan:
    """Return the plan for building ``inputs`` into ``library``.

    Reads headers and records; pixels only where ``refuses`` does, or a script left a candidate that nobody has proved.
    ``engine`` and ``refuses`` as in ``make_plan``.
    Raises NothingToDo, naming the IMAGETYP values that were seen, where no calibration frame is found, and LibraryError
    where the library would be a file.
    """
    require_folder(library)
    turn = lock.turn(library)  # first: what changes from here on changes the turn as well
    held = holdings.holdings(library, given=holdings.given_folders(settings))
    overlooked = _overlooked(inputs, library, held)
    found, grouping = gather(inputs, settings, cache=cache, exclude=_passed_over(inputs, library))
    if not found.frames:
        raise NothingToDo("; ".join((no_frames(inputs, found), *overlooked)))
    if not grouping.groups:
        raise NothingToDo(no_frames_usable(inputs, grouping.set_aside))
    if not any(plan.is_selected(each.key.type, settings) for each in grouping.groups):
        raise NothingToDo(no_frames_wanted(inputs, grouping.groups, settings))
    known = plan.Holdings(held.masters, held.records, held.existing, made_with=held.made_with)
    in_place = dict(_in_place(known, grouping.groups, library, settings))
    records = tuple(in_place.values())
    to_hash = (*plan.frames_to_hash(grouping.groups, records), *_changed_masters(records, held))
    known = replace(
        known,
        hashes=hash_files(to_hash),
        damaged=frozenset(master.path for master in held.masters if master.damaged),
    )
    the_plan = plan.make_plan(
        grouping.groups,
        known,
        library,
        settings,
        engine=engine,
        refuses=refuses,
        set_aside=(*found.set_aside, *grouping.set_aside),
        warnings=(*found.warnings, *grouping.warnings, *overlooked),
        longest_path=longest_path(),
    )
    return the_plan.model_copy(update={"turn": turn})


def gather(
    inputs: Sequence[Path], settings: Settings, *, cache: HeaderCache | None = None, exclude: Sequence[Path] = ()
) -> tuple[discover.Discovery, group.Grouping]:
    """Return what lies under ``inputs``, and the groups of its calibration frames. Raises as ``discover`` does."""
    found = discover.discover(inputs, cache=cache, exclude=exclude)
    return found, group.group_frames(
        found.frames, found.lights, group=settings.group, cull=settings.cull, counts=settings.counts
    )


def _passed_over(inputs: Sequence[Path], library: Path) -> list[Path]:
    """Return the folders that are not looked through: the library, or, where it was given itself, its old masters."""
    return [library / SUPERSEDED, library / QUARANTINE] if _is_given(inputs, library) else [library]


def _is_given(inputs: Sequence[Path], library: Path) -> bool:
    return library.resolve() in {path.resolve() for path in inputs}


def _overlooked(inputs: Sequence[Path], library: Path, held: holdings.Inventory) -> tuple[str, ...]:
    """Return a word on the images in the library that are no masters and lie below what was to be looked through."""
    inside = library.resolve().parents
    if _is_given(inputs, library) or not any(path.resolve() in inside for path in inputs):
        return ()
    others = held.existing - {master.path for master in held.masters}
    kept_back = (library / SUPERSEDED, library / QUARANTINE)
    count = sum(not any(path.is_relative_to(folder) for folder in kept_back) for path in others)
    if not count:
        return ()
    files = f"{number(count, 'image file')} other than masters"
    advice = f"choose another OUTPUT, or give {library} as an INPUT, too"
    return (f"not looked at, as OUTPUT, {library}, lies in an INPUT: {files}; {advice}",)


def _in_place(
    known: plan.Holdings, groups: Sequence[Group], library: Path, settings: Settings
) -> Iterator[tuple[Path, Record]]:
    """Yield what stands where these groups' masters belong, or in quarantine, with its record; others are not read."""
    for each in groups:
        output = plan.output_path(each, settings)
        kept_back = known.kept_back(each.key, library / QUARANTINE / output, settings.group)
        for master in (known.standing(library / output), *kept_back):
            if master is not None and master in known.records:
                yield master, known.records[master]


def _changed_masters(records: Sequence[Record], held: holdings.Inventory) -> Iterator[Path]:
    """Yield the masters without a record, of other programs, that were written anew since they were subtracted."""
    for path, when in plan.masters_to_hash(records).items():
        if path not in held.records and path.is_file() and path.stat().st_mtime > when.timestamp():
            yield path


def no_frames(inputs: Sequence[Path], found: discover.Discovery) -> str:
    """Return what to tell a user whose folders hold no calibration frames (S2-49, S4-21)."""
    where = ", ".join(str(path) for path in inputs)
    seen = ", ".join(f"{value!r} ({count})" for value, count in sorted(found.types_seen.items()))
    files = len(found.set_aside)
    if not files:
        return f"No calibration frames found: no FITS or XISF file under {where}"
    return (
        f"No calibration frames found in {number(files, 'file')} under {where}. "
        f"IMAGETYP values seen: {seen or 'none'}; expected Bias, Dark, Dark Flat or Flat in any usual spelling. "
        "See `ap-masters scan` for the reason of every file"
    )


def no_frames_usable(inputs: Sequence[Path], set_aside: Sequence[SetAside]) -> str:
    """Return what to tell a user none of whose calibration frames can be used."""
    where = ", ".join(str(path) for path in inputs)
    why = ", ".join(f"{detail} ({count})" for detail, count in Counter(aside.detail for aside in set_aside).items())
    return f"No calibration frames found under {where} that can be used: {why}"


def no_frames_wanted(inputs: Sequence[Path], groups: Sequence[Group], settings: Settings) -> str:
    """Return what to tell a user who asked for frame types that are not there (S3-25)."""
    wanted = " or ".join(kind for kind in CALIBRATION_TYPES if plan.is_selected(kind, settings))
    if not wanted:
        return "--stage and --type together leave no frame type to build"
    there: Counter[FrameType] = Counter()
    for each in groups:
        there[each.key.type] += len(each.frames)
    return f"No {wanted} frames found under {', '.join(map(str, inputs))}; there are {numbers(there)}"


def hash_files(paths: Sequence[Path]) -> dict[Path, str]:
    """Return the SHA-256 of each file that can be read."""
    with ThreadPoolExecutor() as pool:
        return {path: digest for path, digest in zip(paths, pool.map(digest_of, paths), strict=True) if digest}
