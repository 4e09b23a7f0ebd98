"""Masters that a script made by hand and nobody has proved yet: whether there is anything to prove."""

import math
from pathlib import Path

from ap_masters import images
from ap_masters.errors import ImageError
from ap_masters.images.rewriting import bands
from ap_masters.record import Record


def is_unproved(record: Record) -> bool:
    """Whether a record is a script's own, which cannot measure: it has neither checksum nor statistics."""
    return record.master.sha256 is None and record.statistics is None


def is_whole(record: Record, master: Path) -> bool:
    """Whether the file of a candidate can be a master: a whole image of the size on record, of samples that differ.

    All of them are read, a band at a time. False for a file that is cut short, empty or of samples that are no numbers.
    """
    try:
        with images.open_image(master) as image:
            file, info = record.master, image.info
            if (info.width, info.height, info.channels) != (file.width, file.height, file.channels):
                return False
            ranges = [(float(rows.min()), float(rows.max())) for rows in (image.read_rows(*b) for b in bands(info))]
    except (ImageError, OSError):
        return False
    finite = all(math.isfinite(low) and math.isfinite(high) for low, high in ranges)
    return finite and min(low for low, _ in ranges) < max(high for _, high in ranges)
