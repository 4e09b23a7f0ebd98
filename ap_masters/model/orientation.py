"""Which way the rows of a file run: as ROWORDER says, or as its format has it."""

from ap_masters.model.images import ImageFormat, Keyword


def row_order(stated: str | None, image_format: ImageFormat) -> str | None:
    """Return the order of the rows of a file, given what it states of them; None where neither it nor its format tells.

    Where an XISF says nothing it is TOP-DOWN, as the specification has it; a FITS file can be either.
    """
    return stated or ("TOP-DOWN" if image_format is ImageFormat.XISF else None)


def rows_of(keywords: tuple[Keyword, ...], image_format: ImageFormat) -> str | None:
    """Return the order of the rows of a file with these keywords; None where it does not tell."""
    stated = (k.value.strip().upper() for k in keywords if k.name == "ROWORDER" and isinstance(k.value, str))
    return row_order(next(stated, None), image_format)


def in_pixinsight(stored: str | None, image_format: ImageFormat) -> str | None:
    """Return the order of rows once PixInsight has read them: it turns BOTTOM-UP FITS files over, XISF files never."""
    return "TOP-DOWN" if stored and image_format is ImageFormat.FITS else stored


def are_turned(own: str | None, wanted: str | None) -> bool:
    """Say whether rows run in another order than those of other files, where both tell."""
    return own is not None and wanted is not None and own != wanted
