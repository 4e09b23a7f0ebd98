"""The calibration index: JSON for programs and Markdown for people, made from masters and records alone.

Nothing in it depends on when it is written, so an unchanged library gives the same bytes and a version control
system shows what has changed. It can be deleted at any time.
"""

import json
import os
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

from pydantic_core import to_json as to_json_bytes

from ap_masters.errors import LibraryError, reason_of
from ap_masters.files import write_named, write_text
from ap_masters.library.entries import Entry
from ap_masters.library.lock import TURN, library_lock
from ap_masters.library.notes import MirrorNote, read_mirror_notes
from ap_masters.library.places import refuse_part, whole_of
from ap_masters.library.scan import Problem, Scan, scan
from ap_masters.model import Noun
from ap_masters.quality import DarkSeries, Doubling, dark_series, doublings
from ap_masters.rendering import environment
from ap_masters.safe import markdown
from ap_masters.wording import degrees

SCHEMA: Final = "ap-masters/index"
VERSION: Final = 1
_MADE_BY: Final = "This file is made by `ap-masters library index`."  # by which it is known, too
JSON_NAME: Final = "calibration-index.json"
_MARKDOWN_NAME: Final = Path("calibration-index.md")

# What the table for people shows: heading, measure, how it is written. Methods and the rest are in the records.
_COLUMNS: Final = (
    ("Median", "median", "{:.1f}"),
    ("Mean", "mean", "{:.1f}"),
    ("Std-dev", "stddev", "{:.2f}"),
    ("Hot px (>5σ)", "hot pixels", "{:.0f}"),
    ("Read noise", "read noise", "{:.2f}"),
)


class Index(Noun):
    """What the index says, and where it was written."""

    library: Path
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...] = ()
    mirror: tuple[MirrorNote, ...] = ()
    dark_series: tuple[DarkSeries, ...] = ()
    doublings: tuple[Doubling, ...] = ()
    json_path: Path
    markdown_path: Path
    home: str | None = None  # where in the library its Markdown is kept, which may be another than was written now


class _Row(NamedTuple):
    """One line of the Markdown table; every cell is escaped."""

    master: str
    link: str
    log: str
    frames: str
    taken: str
    cells: tuple[str, ...]
    findings: str
    sha256: str


def write_index(library: Path, path: Path | None = None, *, overwrite: bool = False) -> Index:
    """Write ``calibration-index.json`` into the library and the Markdown to ``path``; return what they say.

    ``path`` is relative to the library or absolute; without one the Markdown goes where that of the library stands, or
    becomes its ``calibration-index.md``. Links in it are relative to its own folder.
    Raises LibraryError where either cannot be written, UsageError where ``path`` is a file that is no index, unless it
    is to be overwritten, and where ``library`` is but a part of one.
    """
    home = _home(library)
    markdown_path = library / (path or home or _MARKDOWN_NAME)
    refuse_part(library)
    with library_lock(library):
        index = build_index(scan(library), markdown_path, home)
        if markdown_path == Path(index.json_path):
            raise LibraryError(f"{markdown_path}: is the index in JSON; the one in Markdown needs another name")
        try:
            # First: it may be refused.
            write_named(markdown_path, to_markdown(index), known_by=_MADE_BY, overwrite=overwrite)
            write_text(index.json_path, to_json(index))
        except OSError as error:
            raise LibraryError(
                f"{error.filename or markdown_path}: the index cannot be written: {reason_of(error)}"
            ) from error
    return index


def is_outdated(library: Path, path: Path | None = None) -> bool:
    """Say whether a library has an index of before, or none: a run was killed when its masters stood, or had no room.

    ``path`` as in ``write_index``. Of a folder where this program was never at work it says no.
    """
    if whole_of(library) is not None or not (library / TURN).exists():
        return False
    home = _home(library)
    index = build_index(scan(library), library / (path or home or _MARKDOWN_NAME), home)
    try:
        return index.json_path.read_text(encoding="utf-8") != to_json(index)
    except (OSError, UnicodeDecodeError):
        return True


def _home(library: Path) -> Path | None:
    """Return where in the library the Markdown of its last index stands, relative to it, as that says in JSON."""
    try:
        told = json.loads((library / JSON_NAME).read_bytes())
        home = Path(told["markdown"])
        there = (library / home).is_file() and (library / home).resolve().is_relative_to(library.resolve())
    except (OSError, ValueError, TypeError, KeyError):
        return None  # none yet, or one of before; it is written anew in any case
    return home if there else None


def build_index(found: Scan, markdown_path: Path, home: Path | None = None) -> Index:
    """Return the index of what a scan has found; ``home`` is where it was kept so far, relative to the library."""
    if markdown_path.is_relative_to(found.library):
        home = markdown_path.relative_to(found.library)
    series = dark_series(level for e in found.entries if e.status == "published" and (level := e.level))
    return Index(
        library=found.library,
        entries=found.entries,
        problems=found.problems,
        mirror=read_mirror_notes(found.library),
        dark_series=series,
        doublings=doublings(series),
        json_path=found.library / JSON_NAME,
        markdown_path=markdown_path,
        home=home.as_posix() if home else None,
    )


def to_json(index: Index) -> str:
    """Return the index as strict JSON (no NaN, no Infinity), masters in the order of their paths."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "version": VERSION,
        "markdown": index.home,
        "masters": [_master(entry) for entry in index.entries],
        "dark_series": [s.model_dump(mode="json") for s in index.dark_series],
        "doublings": [d.model_dump(mode="json") for d in index.doublings],
        "problems": [p.model_dump(mode="json") for p in index.problems],
        "mirror": [n.model_dump(mode="json") for n in index.mirror],
    }
    return to_json_bytes(document, indent=1, inf_nan_mode="null").decode("utf-8") + "\n"


def _master(entry: Entry) -> dict[str, Any]:
    data = entry.model_dump(mode="json", exclude={"measures"})
    data["description"] = entry.key.describe()
    data["measures"] = {
        m.name: m.model_dump(mode="json", exclude={"name", "method"}, exclude_none=True) for m in entry.measures
    }
    return data


def to_markdown(index: Index) -> str:
    """Return the index as Markdown tables, one per status, published masters first."""
    sections = [
        (title, [_row(index, entry) for entry in index.entries if entry.status == status])
        for title, status in (
            ("Published", "published"),
            ("Quarantined", "quarantined"),
            ("Candidates", "candidate"),
            ("Superseded", "superseded"),
        )
    ]
    return (
        environment()
        .get_template("index/calibration-index.md.j2")
        .render(
            made_by=_MADE_BY,
            columns=[heading for heading, _, _ in _COLUMNS],
            sections=[(title, rows) for title, rows in sections if rows],
            series=[_series(s) for s in index.dark_series],
            doublings=[(markdown(d.settings), f"{d.degrees:.1f}") for d in index.doublings],
            problems=[(markdown(p.path), markdown(p.detail)) for p in index.problems],
            mirror=[(markdown(n.target), markdown(n.path), markdown(n.detail)) for n in index.mirror],
        )
    )


def _row(index: Index, entry: Entry) -> _Row:
    return _Row(
        master=markdown(entry.key.describe()),
        link=_link(index, entry.path),
        log=" ".join(_link(index, path) for path in (entry.record, entry.log) if path),
        frames=str(entry.frames or ""),
        taken=entry.taken.date().isoformat() if entry.taken else "",
        cells=tuple(_cell(entry, measure, spelling) for _, measure, spelling in _COLUMNS),
        findings=markdown("; ".join(f"{f.severity}: {f.metric}" for f in entry.findings)),
        sha256=(entry.sha256 or "")[:12],
    )


def _cell(entry: Entry, measure: str, spelling: str) -> str:
    value = entry.value(measure)
    return spelling.format(value) if value is not None else ""


def _series(series: DarkSeries) -> tuple[str, ...]:
    error = f" ± {series.error:.2g}" if series.error is not None else ""
    electrons = f"{series.electrons_per_second:.4g}" if series.electrons_per_second is not None else ""
    return (
        markdown(series.settings),
        degrees(series.temperature, "") if series.temperature is not None else "",
        ", ".join(f"{e:g}" for e in series.exposures),
        f"{series.adu_per_second:.4g}{error}",
        electrons,
    )


def _link(index: Index, path: str) -> str:
    """Return a Markdown link from the index's folder to a file of the library."""
    folder = index.markdown_path.parent
    inside = folder == index.library
    target = path if inside else Path(os.path.relpath(index.library / path, folder)).as_posix()
    return f"[{markdown(PurePosixPath(path).name)}](<{_destination(target)}>)"


def _destination(path: str) -> str:
    """Return a path for between the angle brackets of a Markdown link."""
    return "".join(f"%{ord(c):02X}" if c in "<>\\%|" or not c.isprintable() else c for c in path)
