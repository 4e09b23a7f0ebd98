"""Write anew what in ``docs/`` follows from the program; ``--check`` only tells whether it is current.

Run it with an interpreter that has ap-masters installed: ``.venv/bin/python scripts/docs.py``.
"""

import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args, get_origin

import typer.main

from ap_masters import record
from ap_masters.cli import flags
from ap_masters.cli.app import application
from ap_masters.config import Section, Settings, sources
from ap_masters.config.profiles import DESCRIPTIONS, PROFILES

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
_FLAG_OF: Final = {name: row for family in flags.EVERY for row in family.flags for name in (row.setting, *row.also)}
_GENERAL: Final = {"json", "quiet", "verbose", "profile", "config", "help"}


def commands() -> Iterator[str]:
    """Yield the reference of every command: usage, what it does, its arguments and its own options."""
    yield from _commands(typer.main.get_command(application()), "ap-masters")


def _commands(group: Any, name: str) -> Iterator[str]:
    for word, command in group.commands.items():
        if getattr(command, "commands", None):
            yield from _commands(command, f"{name} {word}")
        else:
            yield from _command(command, f"{name} {word}")


def _command(command: Any, name: str) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    shared = {_dest(row) for row in _FLAG_OF.values()}
    options = [
        p for p in command.params if p.param_type_name == "option" and p.name not in shared and p.name not in _GENERAL
    ]
    usage = " ".join(f"{p.metavar or p.name.upper()}{'...' if p.nargs == -1 else ''}" for p in arguments)
    families = [family for family in flags.EVERY if _has(command, family)]
    single = [
        f"`{row.names[0]}`"
        for family in flags.EVERY
        for row in family.flags
        if family not in families and _dest(row) in {p.name for p in command.params}
    ]
    taken = [f"the options of: {', '.join(family.title for family in families)}"] if families else []
    taken += [", ".join(single)] if single else []
    yield from (f"### {name}", "", "```", f"{name} {usage} [OPTIONS]".replace("  ", " "), "```", "")
    yield from (inspect.cleandoc(command.help or ""), "")
    if arguments or options:
        yield from ("| | |", "|---|---|")
        yield from (f"| `{p.metavar or p.name.upper()}` | {p.help}{_default(p)} |" for p in arguments)
        yield from (f"| `{' / '.join([*p.opts, *p.secondary_opts])}` | {p.help}{_default(p)} |" for p in options)
        yield ""
    if taken:
        yield from (f"Takes {'; '.join(taken)}.", "")


def _has(command: Any, family: flags.Family) -> bool:
    names = {p.name for p in command.params}
    return all(_dest(row) in names for row in family.flags)


def _dest(row: flags.Flag) -> str:
    """Return the name of the parameter that a flag gives its value to."""
    return row.setting.replace(".", "__")


def _default(parameter: Any) -> str:
    """Return what holds where the argument or option is left out, as its ``--help`` says it."""
    value = parameter.default
    if isinstance(value, bool):
        on, off = parameter.opts[0], next(iter(parameter.secondary_opts), None)
        value = on if value else off
    if value is None or value == ():
        return ""
    return f" Default: `{value:g}`." if isinstance(value, float) else f" Default: `{value}`."


def options() -> Iterator[str]:
    """Yield the options that stand for settings, by family."""
    for family in flags.EVERY:
        yield from (f"**{family.title}**", "", "| option | setting | |", "|---|---|---|")
        for row in family.flags:
            names = " / ".join(row.names[0].split("/"))
            yield f"| `{names}` | `{row.setting}` | {row.help} |"
        yield ""


def settings() -> Iterator[str]:
    """Yield every setting with its type, its default, its option and what it does, by table."""
    yield from _table(Settings, "", {})


def _table(section: type[Section], prefix: str, shown: dict[tuple[tuple[str, ...], ...], str]) -> Iterator[str]:
    """Yield a table and those in it; ``shown`` holds those there were, as that of a recipe is there for each type."""
    inner = {n: f.annotation for n, f in section.model_fields.items() if sources.section(f.annotation)}
    own = [name for name in section.model_fields if name not in inner]
    if own:
        title = f"`[{prefix.rstrip('.')}]`" if prefix else "Top level"
        rows = tuple(_row(section, prefix, name) for name in own)
        same = shown.setdefault(rows, title)
        yield from (f"### {title}", "", inspect.cleandoc(section.__doc__ or ""), "")
        if same == title:
            yield from ("| setting | values | default | option | |", "|---|---|---|---|---|")
            for name, (values, default, told) in zip(own, rows, strict=True):
                flag = _FLAG_OF.get(prefix + name)
                option = f"`{flag.names[0].partition('/')[0]}`" if flag else ""
                yield f"| `{name}` | {values} | {default} | {option} | {told or (flag.help if flag else '')} |"
        else:
            yield f"Settings and defaults are those of {same}."
        yield ""
    for name, annotation in inner.items():
        nested = sources.section(annotation)
        assert nested is not None
        yield from _table(nested, f"{prefix}{name}.", shown)


def _row(section: type[Section], prefix: str, name: str) -> tuple[str, str, str]:
    """Return the values that a setting takes, its default, and what it does if that is said of it."""
    field, default = section.model_fields[name], sources.values(Settings())[prefix + name]
    shown = "" if default is None else f"`{json.dumps(default, default=str)}`"
    return _values(field.annotation), shown, field.description or ""


def _values(annotation: Any) -> str:
    """Return a type in a user's words."""
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not type(None)]
    if get_origin(annotation) is tuple:
        return f"list of {_values(kinds[0])}"
    if get_origin(annotation) is dict:
        return "table"
    if len(kinds) == 1 and get_args(kinds[0]):
        return _values(kinds[0])
    if isinstance(kinds[0], str):
        return ", ".join(f"`{kind}`" for kind in kinds)
    if hasattr(kinds[0], "__members__"):
        return ", ".join(f"`{member}`" for member in kinds[0])
    words = {"int": "whole number", "float": "number", "str": "text", "bool": "true, false", "Path": "path"}
    return words[kinds[0].__name__]


def profiles() -> Iterator[str]:
    """Yield what each built-in profile says."""
    for name, table in PROFILES.items():
        if table:
            yield from (f"### {name}", "", DESCRIPTIONS[name], "", "```toml", *_toml(table), "```", "")


def _toml(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    if prefix and plain:
        yield f"[{prefix}]"
    yield from (f"{key} = {json.dumps(value)}" for key, value in plain.items())
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _toml(value, f"{prefix}.{key}" if prefix else key)


_PARTS: Final = {"commands": commands, "options": options, "settings": settings, "profiles": profiles}


def fresh(text: str) -> str:
    """Return ``text`` with every part between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` written anew."""
    for name, lines in _PARTS.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        if begin in text:
            head, _, rest = text.partition(begin)
            text = f"{head}{begin}\n{chr(10).join(lines())}\n{end}{rest.partition(end)[2]}"
    return text


def documents() -> dict[Path, str]:
    """Return every generated document with what it should hold."""
    pages = {path: fresh(path.read_text(encoding="utf-8")) for path in sorted(DOCS.glob("*.md"))}
    schema = json.dumps(record.json_schema(), indent=2, ensure_ascii=False) + "\n"
    return pages | {DOCS / "record.schema.json": schema}


def main() -> int:
    """Write what has changed, or with ``--check`` name it and return 1."""
    wanted = documents()
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if "--check" in sys.argv[1:]:
            print(f"{path}: not current; run scripts/docs.py")
        else:
            path.write_text(wanted[path], encoding="utf-8", newline="\n")
            print(f"{path}: written")
    return int(bool(stale) and "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
