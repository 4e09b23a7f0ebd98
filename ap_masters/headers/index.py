"""A header looked up by keyword: the first card of a name wins, blank values count as absent."""

from ap_masters.headers.values import Raw
from ap_masters.model import ImageInfo

_REMARKS = {"HISTORY", "COMMENT"}


class HeaderIndex:
    """The keywords and XISF properties of one image by name, and its HISTORY and COMMENT lines in order."""

    def __init__(self, info: ImageInfo) -> None:
        self.remarks: list[str] = []
        self._values: dict[str, Raw] = {}
        self._comments: dict[str, str] = {}
        for name, value, comment in info.keywords:
            if name in _REMARKS:
                # XISF writers put the text into either attribute.
                self.remarks.append(comment or str(value or ""))
            elif value is not None and not (isinstance(value, str) and not value.strip(" '\"")):
                known = self._values.setdefault(name.upper(), value)
                if comment and known is value:
                    self._comments.setdefault(name.upper(), comment)
        for name, text in info.properties:
            if text.strip():
                self._values.setdefault(name, text)

    def comment(self, name: str) -> str:
        """Return the comment of a keyword, empty where there is none."""
        return self._comments.get(name, "")

    def get(self, name: str) -> Raw:
        """Return the value of a keyword or property, None where the header does not say."""
        return self._values.get(name)
