"""The house: a module imports only from floors below its own, so data flows one way and nothing goes in circles."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ap_masters"

# From the ground up. Rooms of one floor do not know each other; a package is one room, except for the engines.
FLOORS: tuple[set[str], ...] = (
    {"__init__", "errors", "safe", "decoding", "garbage", "memory", "moving", "stamps", "wording"},
    {"model", "texts", "defect_lists"},
    {"files"},
    {"config", "record", "rendering"},
    {"images"},
    {
        "headers",
        "recipes",
        "layouts",
        "group",
        "match",
        "quality",
        "defects",
        "engines",
        "header_cache",
        "inputs",
    },
    {"engines.numpy", "engines.pixinsight"},
    {"discover", "glimpse", "library", "plan", "proof", "run_log", "demo", "inspection", "watch"},
    {"report", "survey"},
    {"build", "combine", "manual", "doctor"},
    {"cli"},
    {"__main__"},
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# Engines take jobs and give results. What a library is, and where frames come from, is none of their business.
ENGINES_SEE = {
    "__init__",
    "errors",
    "safe",
    "decoding",
    "defect_lists",
    "wording",
    "files",
    "moving",
    "model",
    "record",
    "rendering",
    "images",
    "stamps",
    "engines",
}

MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def room_of(parts: tuple[str, ...]) -> str:
    """Return the room a module belongs to, from its parts below ``ap_masters``."""
    if not parts:
        return "__init__"
    nested = ".".join(parts[:2])
    return nested if nested in FLOOR_OF else parts[0]


def imported(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """Yield every module of ours that ``tree`` imports, wherever in the file, as parts below ``ap_masters``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide the room they come from"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, *parts = name.split(".")
            if package == "ap_masters":
                yield _module_parts(parts)


def _module_parts(parts: list[str]) -> tuple[str, ...]:
    """Return the part of a dotted name that is a module, without the names inside it."""
    for length in range(len(parts), 0, -1):
        place = PACKAGE.joinpath(*parts[:length])
        if place.is_dir() or place.with_suffix(".py").is_file():
            return tuple(parts[:length])
    return ()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_floors_below_its_own(module: str) -> None:
    """Also inside functions and for type checking: a circle of knowledge is one however late it closes."""
    own = room_of(Path(module).with_suffix("").parts)
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))

    others = {room_of(parts) for parts in imported(tree)} - {own}

    assert {room for room in others if FLOOR_OF[room] >= FLOOR_OF[own]} == set()
    if own.startswith("engines."):
        assert others <= ENGINES_SEE


def test_every_room_stands_on_one_floor_and_exists() -> None:
    """The table above is the house as it is, not as it was."""
    rooms = {room_of(Path(module).with_suffix("").parts) for module in MODULES}

    assert rooms == set(FLOOR_OF)
    assert sum(map(len, FLOORS)) == len(FLOOR_OF)


def test_no_file_outgrows_a_reader() -> None:
    """No file is longer than about 400 lines."""
    lengths = {module: len((PACKAGE / module).read_text(encoding="utf-8").splitlines()) for module in MODULES}

    assert {module: length for module, length in lengths.items() if length > 420} == {}
