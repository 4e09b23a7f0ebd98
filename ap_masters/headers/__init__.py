"""Keywords -> Frame and Master, and back: the only place that knows how capture programs spell things.

``reading`` understands a header by the tables in ``spellings`` and ``frame_types``, fills gaps from ``names`` and the
folders' ``hints``, but not from those of ``targets``, tells masters by ``integrated`` and warns by ``traps``;
``masters`` and ``writing`` are the two directions for masters.
"""

from ap_masters.headers.hints import overruled, with_hint
from ap_masters.headers.masters import master_from, numbers_named
from ap_masters.headers.names import FolderHint, folder_hint
from ap_masters.headers.reading import frame_from
from ap_masters.headers.writing import image_type_of, master_keywords

__all__ = [
    "FolderHint",
    "folder_hint",
    "frame_from",
    "image_type_of",
    "master_from",
    "master_keywords",
    "numbers_named",
    "overruled",
    "with_hint",
]
