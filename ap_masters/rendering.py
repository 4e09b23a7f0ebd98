"""Where templates are found and how values enter them, for scripts, reports and indexes alike."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_PACKAGE = Path(__file__).parent

# A wheel carries templates/ inside the package; an editable install and a bare checkout have it beside it.
_FOLDERS = (_PACKAGE / "templates", _PACKAGE.parent / "templates")


@cache
def environment(*, html: bool = False) -> Environment:
    """Return the template environment. Missing names raise; ``html`` turns autoescape on."""
    made = Environment(
        loader=FileSystemLoader(_FOLDERS),
        undefined=StrictUndefined,
        autoescape=html,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # For tojson: NaN is neither JSON nor a value, and keys keep their order.
    made.policies["json.dumps_kwargs"] = {"allow_nan": False}
    return made
