"""One exception for each situation a user can meet, each with the exit code it ends the program with.

    ApMastersError (1)
    ├── UsageError (2)             what was asked makes no sense, or a setting is wrong
    │   └── ConfigError (2)
    ├── NothingToDo (3)            no calibration frames where they were looked for
    ├── SomeJobsFailed (4)
    ├── AllJobsFailed (5)
    ├── QualityRefused (6)         the gate quarantined a master
    ├── PixInsightError (7)        PixInsight could not be found or could not run
    ├── AttentionNeeded (8)        a check of the library found something: masters due, gaps, faults, mismatches
    ├── ImageError (1)             a file that cannot be read or written as an image
    │   ├── UnreadableImage
    │   │   └── NotFinite
    │   ├── ChecksumMismatch
    │   └── UnwritableImage
    ├── LibraryError (1)           the library folder refuses: locked, a name that leaves it
    │   └── LibraryNotWritable     it can be read at most
    └── RecordError (1)            a record or index that does not parse

Every message says what happened, where, and what to do next.
"""

from pathlib import Path
from typing import Self


class ApMastersError(Exception):
    """Something the user can act on; the message is shown as it stands."""

    exit_code = 1


class UsageError(ApMastersError):
    """The request itself cannot be carried out as given."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting has an unknown name or a value out of its range."""


class NothingToDo(ApMastersError):
    """There is nothing to work on."""

    exit_code = 3


class SomeJobsFailed(ApMastersError):
    """Some masters stand and others cannot be made."""

    exit_code = 4


class AllJobsFailed(ApMastersError):
    """Not one master was built."""

    exit_code = 5


class QualityRefused(ApMastersError):
    """A master was built, judged, and not published: a report's exit code, never raised."""

    exit_code = 6


class PixInsightError(ApMastersError):
    """PixInsight was asked for and is not there, or did not run."""

    exit_code = 7


class AttentionNeeded(ApMastersError):
    """A check of the library did its work and found something for the user to do."""

    exit_code = 8


class ImageError(ApMastersError):
    """A file cannot be used as an image."""

    def __init__(self, path: Path, what: str) -> None:
        """Keep the path apart from the reason, so that a frame can be set aside with the reason alone."""
        super().__init__(f"{path}: {what}")
        self.path = path
        self.what = what

    def __reduce__(self) -> tuple[type[Self], tuple[Path, str]]:
        """Let it come out of another process as it went in."""
        return type(self), (self.path, self.what)


class UnreadableImage(ImageError):
    """The file is not an image this program reads, is cut short, or contradicts itself."""


class NotFinite(UnreadableImage):
    """A file of floats holds samples that are no numbers."""


class ChecksumMismatch(ImageError):
    """The stored checksum says that bytes have changed since the file was written."""


class UnwritableImage(ImageError):
    """The image could not be written whole."""


class LibraryError(ApMastersError):
    """The library folder cannot be used as asked."""


class LibraryNotWritable(LibraryError):
    """Nothing can be written to the library folder; reading it needs no more than that it is there."""


class RecordError(ApMastersError):
    """A record or an index does not parse or contradicts its master."""


def reason_of(error: BaseException) -> str:
    """Return what went wrong, for a message that names the file: Python would name it again, backslashes doubled."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
