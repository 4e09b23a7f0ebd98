"""The HTML page of a library: one file, no scripts, nothing from the network, at home on a remote site."""

import base64
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ap_masters import __version__
from ap_masters.config import Settings
from ap_masters.errors import LibraryError, reason_of
from ap_masters.files import write_named
from ap_masters.library.due import Due, due
from ap_masters.library.entries import Entry
from ap_masters.library.notes import read_mirror_notes
from ap_masters.library.scan import Scan, scan
from ap_masters.model import MasterStatus, Noun
from ap_masters.rendering import environment
from ap_masters.report.page import COLUMNS, Page, build_page
from ap_masters.report.preview import preview

__all__ = ["Report", "write_report"]

_MADE_BY: Final = '<meta name="generator" content="ap-masters '  # of a page's head, by which it is known


class Report(Noun):
    """Where the page is, and what it tells."""

    path: Path
    masters: int
    notices: int
    size: int
    due: Due


def write_report(
    library: Path,
    path: Path | None = None,
    *,
    settings: Settings,
    now: datetime,
    pictures: int = 100,
    overwrite: bool = False,
) -> Report:
    """Write the page of ``library`` to ``path`` (``library/report.html``) and return what it tells.

    ``pictures`` is the most previews to make; each reads a small part of its master once and is kept. Links lead
    from the page to the masters. Raises LibraryError where the library is not there or the page cannot be written,
    UsageError where another file than such a page stands there, unless it is to be overwritten.
    """
    if not library.is_dir():
        raise LibraryError(f"{library}: there is no such library")
    target = path or library / "report.html"
    found = scan(library)
    what_is_due = due(found.entries, settings.library, now=now, quality=settings.quality)
    page = build_page(
        found,
        what_is_due,
        read_mirror_notes(library),
        counts=settings.counts,
        quality=settings.quality,
        pictures=dict(_pictures(found, pictures)),
    )
    text = render(page, library, target, now=now, policy=settings.library.policy)
    try:
        write_named(target, text, known_by=_MADE_BY, overwrite=overwrite)
    except OSError as error:
        raise LibraryError(f"{target}: the report cannot be written: {reason_of(error)}") from error
    return Report(
        path=target,
        masters=len(found.entries),
        notices=len(page.notices),
        size=len(text.encode()),
        due=what_is_due,
    )


def render(page: Page, library: Path, target: Path, *, now: datetime, policy: str) -> str:
    """Return the page as HTML; every text in it is escaped by the template."""

    def link(path: str) -> str:
        """Return where a file of the library is, seen from the page; as an address of its own where it is elsewhere."""
        full = library.resolve() / path
        try:
            return quote(full.relative_to(target.parent.resolve()).as_posix())
        except ValueError:
            return full.as_uri()

    template = environment(html=True).get_template("report/library.html.j2")
    return template.render(
        page=page,
        title=library.resolve().name,
        now=now,
        policy=policy,
        version=__version__,
        link=link,
        columns=[heading for heading, _ in COLUMNS],
    )


def _pictures(found: Scan, most: int) -> Iterator[tuple[str, str]]:
    """Yield data URIs of previews, of the newest masters in use."""
    current = [e for e in found.entries if e.status is not MasterStatus.SUPERSEDED]
    for entry in sorted(current, key=_newest)[:most]:
        picture = preview(found.library, entry.path, entry.sha256)
        if picture is not None:
            yield entry.path, f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"


def _newest(entry: Entry) -> tuple[float, str]:
    return (-entry.taken.timestamp() if entry.taken else 0.0, entry.path)
