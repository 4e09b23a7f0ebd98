"""The parameters of both processes: which there are, and what may be assigned to them."""

import json
import math
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tests.simulator.settings import Dialect, Settings

Value = bool | int | float | str | list[list[Any]]
Values = dict[str, Any]  # every parameter of a process by name, as a script set it


class Refused(Exception):
    """An assignment that PixInsight answers with an exception."""


class Column(NamedTuple):
    """One parameter, or one column of a table parameter."""

    id: str
    type: str  # boolean, integer, real, enum, string, table
    default: Value
    minimum: float | None = None
    maximum: float | None = None
    read_only: bool = False
    elements: dict[str, int] = {}  # noqa: RUF012 - never changed
    columns: tuple["Column", ...] = ()
    aliases: tuple[str, ...] = ()
    since: tuple[int, ...] = ()


@cache
def table(process: str, version: tuple[int, ...]) -> dict[str, Column]:
    """Return the parameters of ``process`` in ``version`` of the core, in order, by name."""
    raw = json.loads(Path(__file__).with_name("processes.json").read_text(encoding="utf-8"))[process]
    columns = [_column(entry) for entry in raw]
    return {column.id: column for column in columns if column.since <= version}


def _column(entry: dict[str, Any]) -> Column:
    return Column(
        entry["id"],
        entry["type"],
        entry.get("default", []),
        entry.get("min"),
        entry.get("max"),
        entry.get("readOnly", False),
        entry.get("elements", {}),
        tuple(_column(column) for column in entry.get("columns", [])),
        tuple(entry.get("aliases", [])),
        tuple(entry.get("since", [])),
    )


def defaults(process: str, settings: Settings) -> Values:
    """Return every parameter with its default."""
    return {column.id: column.default for column in table(process, settings.version).values()}


def check(process: str, name: str, value: Any, settings: Settings, dialect: Dialect) -> Value:
    """Return ``value`` as the parameter keeps it. Raises Refused with PixInsight's words.

    Values come from the script as JSON; what JSON cannot say arrives as ``{"special": "NaN"}`` or
    ``{"special": "undefined"}``.
    """
    column = table(process, settings.version)[name]
    if column.read_only:
        raise Refused(f"{process}.{name}: cannot assign a value to a read-only property")
    where = f"{process}.{name}()"
    if column.type == "table":
        return _rows(where, column, value, settings, dialect)
    return _scalar(where, column, value, dialect)


def _rows(where: str, column: Column, value: Any, settings: Settings, dialect: Dialect) -> list[list[Any]]:
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        raise Refused(f"{where}: invalid argument type: Array of Array expected")
    rows = []
    for number, row in enumerate(value):
        short = not settings.strict and dialect == "sm" and 0 < len(row) < len(column.columns)
        if len(row) < len(column.columns) and not short:
            wanted, got = len(column.columns), len(row)
            raise Refused(f"Too few array elements for row {number}: expected {wanted} values; got {got}")
        if len(row) > len(column.columns):
            raise Refused(f"{where}: too many array elements for row {number}")
        given = [_scalar(f"{where}[{number}]", c, v, dialect) for c, v in zip(column.columns, row, strict=False)]
        rows.append(given + [c.default for c in column.columns[len(row) :]])
    return rows


_WORDS = {
    "boolean": ("Boolean", "boolean"),
    "string": ("String", "string"),
    "integer": ("signed integer value", "signed integer value"),
    "enum": ("signed integer value", "signed integer value"),
    "real": ("numeric value", "numeric value"),
}


def _scalar(where: str, column: Column, value: Any, dialect: Dialect) -> Value:
    if not _has_type(column, value):
        sm, v8 = _WORDS[column.type]
        if dialect == "v8":
            raise Refused(f"Invalid argument type: {v8} expected")
        raise Refused(f"{where}: invalid argument type: {sm} expected")
    if column.type in {"boolean", "string"}:
        return value  # type: ignore[no-any-return]
    minimum, maximum = column.minimum, column.maximum
    if column.type == "enum":
        minimum, maximum = 0, max(column.elements.values())
    if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
        raise Refused(f"{where}: numeric value out of range: {value:g}")
    return value if column.type == "real" else int(value)


def _has_type(column: Column, value: Any) -> bool:
    if column.type in {"boolean", "string"}:
        return isinstance(value, bool if column.type == "boolean" else str)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return column.type == "real" or value == int(value)
