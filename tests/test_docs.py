"""What is written about the program is true of the program."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main

from ap_masters import errors
from ap_masters.cli.app import application
from ap_masters.config.profiles import PROFILES

CHECKOUT = Path(__file__).parent.parent
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
COMMANDS = (CHECKOUT / "docs" / "commands.md").read_text(encoding="utf-8")


def all_commands(group: Any, name: str = "") -> Iterator[Any]:
    """Yield a parameter for each command there is: its name as it is typed, and the command."""
    for word, command in group.commands.items():
        full = f"{name} {word}".strip()
        if getattr(command, "commands", None):
            yield from all_commands(command, full)
        else:
            yield pytest.param(full, command, id=full)


every_command = pytest.mark.parametrize(("name", "command"), list(all_commands(typer.main.get_command(application()))))


@every_command
def test_every_command_has_help(name: str, command: Any) -> None:
    """So has every argument and every option of it."""
    assert command.help
    assert command.help.strip().splitlines()[0].rstrip().endswith(".")
    assert [p.name for p in command.params if p.name != "help" and not getattr(p, "help", None)] == []


@every_command
def test_every_command_stands_in_readme_and_reference(name: str, command: Any) -> None:
    """A command nobody reads of is not there."""
    assert f"ap-masters {name}" in README
    assert f"### ap-masters {name}\n" in COMMANDS


def test_the_readme_names_no_command_that_does_not_exist() -> None:
    """Nor do the documents."""
    known = {parameter.values[0] for parameter in all_commands(typer.main.get_command(application()))}
    groups = {str(name).split()[0] for name in known if " " in str(name)}
    for text in (README, *(path.read_text(encoding="utf-8") for path in (CHECKOUT / "docs").glob("*.md"))):
        code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
        for first, second in re.findall(r"(?:^|`)ap-masters ([a-z]+)(?: ([a-z]+))?", code, re.MULTILINE):
            assert first in known or (first in groups and (not second or f"{first} {second}" in known)), (first, second)


def test_generated_documents_are_current() -> None:
    """``scripts/docs.py`` has been run since the program changed."""
    command = [sys.executable, str(CHECKOUT / "scripts" / "docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_the_published_schema_is_a_schema() -> None:
    """A program in another language can validate a record by it."""
    schema = json.loads((CHECKOUT / "docs" / "record.schema.json").read_text(encoding="utf-8"))

    jsonschema.Draft202012Validator.check_schema(schema)


def test_every_exit_code_is_documented() -> None:
    """The table of exit codes knows every code that an error ends with."""
    table = COMMANDS.partition("## Exit codes")[2].partition("\n## ")[0]
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    raised = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}

    assert documented == raised | {0, 130}
    assert all(f"| {code} |" in README for code in documented)


def test_every_profile_is_documented() -> None:
    """With the values it stands for."""
    page = (CHECKOUT / "docs" / "configuration.md").read_text(encoding="utf-8")

    assert all(f"### {name}\n" in page for name in PROFILES if name != "default")


def test_every_link_inside_the_documents_leads_somewhere() -> None:
    """Files and headings."""
    for page in (CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md", *(CHECKOUT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?://)([^)]+)\)", page.read_text(encoding="utf-8")):
            file, _, heading = target.partition("#")
            path = page.parent / file if file else page
            assert path.exists(), f"{page.name}: {target}"
            if heading:
                headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
                assert heading in {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings}
