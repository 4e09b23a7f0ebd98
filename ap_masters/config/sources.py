"""Where settings come from: flags over environment over project file over user file over profile over defaults."""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args, get_origin

from pydantic import ValidationError

from ap_masters.config import RecipesSettings, Section, Settings
from ap_masters.config.profiles import PROFILES
from ap_masters.decoding import text_of
from ap_masters.errors import ConfigError

_QUOTES: Final = r". Words stand in quotes, as in memory = '4G', and paths in single ones, as in 'C:\Program Files'"
FILE_NAME: Final = "ap-masters.toml"
PREFIX: Final = "AP_MASTERS_"

# Variables of ours that are no settings: where things are kept on this machine, and the tests' real frames.
_PLACES: Final = {"CONFIG_DIR", "CACHE_DIR", "STATE_DIR", "REALDATA"}

# A relative path in a settings file means relative to that file, not to wherever the program is started.
_BESIDE_THE_FILE: Final = {"bias_master_dir", "dark_master_dir", "pixinsight.binary", "pixinsight.script_dir"}


class Given(NamedTuple):
    """A value of one setting, and where it was said: "flag --layout", a file, "profile nina", "default"."""

    value: Any
    origin: str


class Loaded(NamedTuple):
    """The settings in force, the origin of each by its dotted name, and the files that were read."""

    settings: Settings
    origins: Mapping[str, str]
    files: tuple[Path, ...]


def load(
    *,
    flags: Mapping[str, Given] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    file: Path | None = None,
) -> Loaded:
    """Return the settings in force for a program started in ``folder`` (None: the current one).

    ``flags`` maps dotted names ("recipe.all.sigma_low") to what the command line said; ``file`` replaces the
    search for a project file. Raises ConfigError for an unknown name, with the nearest known one, and for a
    value out of its range, each with the place where it stands.
    """
    variables = os.environ if environment is None else environment
    user = user_file(variables)
    project = file or project_file(folder or Path.cwd())
    tables = [(path, _read(path)) for path in (user, project) if path is not None and (path.is_file() or path is file)]
    layers = [_file_layer(path, table) for path, table in tables]
    layers += [_environment_layer(variables), dict(flags or {})]

    merged = {name: Given(value, "default") for name, value in values(Settings()).items()}
    said = {name: given for layer in layers for name, given in layer.items()}
    profile = said.get("profile", merged["profile"])
    for layer in (_profile_layer(profile, tables), *layers):
        merged |= _for_all_types(layer) | layer
    return Loaded(
        settings=_validated(merged),
        origins={name: given.origin for name, given in merged.items()},
        files=tuple(path for path, _ in tables),
    )


def user_file(environment: Mapping[str, str]) -> Path:
    """Return where the user's own settings file stands, whether or not it is there."""
    if place := environment.get(f"{PREFIX}CONFIG_DIR"):
        return Path(place) / FILE_NAME
    import platformdirs

    return platformdirs.user_config_path("ap-masters", appauthor=False) / FILE_NAME


def project_file(folder: Path) -> Path | None:
    """Return the settings file of ``folder`` or the nearest folder above it, or None."""
    candidates = (parent / FILE_NAME for parent in (folder, *folder.parents))
    return next((path for path in candidates if path.is_file()), None)


def values(settings: Section, prefix: str = "") -> dict[str, Any]:
    """Return every setting below ``settings`` by its dotted name."""
    found: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Section):
            found |= values(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def annotation(name: str) -> Any:
    """Return the type of the setting with this dotted name; KeyError when there is none."""
    return _ANNOTATIONS[name]


# --- layers -----------------------------------------------------------------------------------------------


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text_of(path.read_bytes()))
    except (OSError, ValueError) as error:  # TOML's own errors are ValueErrors
        hint = _QUOTES if isinstance(error, tomllib.TOMLDecodeError) else ""
        raise ConfigError(f"{path}: cannot be read as settings: {error}{hint}") from error


def _file_layer(path: Path, table: Mapping[str, Any], *, part: str = "") -> dict[str, Given]:
    own = {name: value for name, value in table.items() if name != "profiles"}
    return {
        name: Given(_beside(path, value) if name in _BESIDE_THE_FILE else value, str(path))
        for name, value in _leaves(own, Settings, f"{path}{part}")
    }


def _beside(file: Path, value: Any) -> Any:
    return file.parent / Path(value).expanduser() if isinstance(value, str) else value


def _environment_layer(environment: Mapping[str, str]) -> dict[str, Given]:
    layer = {}
    for variable, value in environment.items():
        if not variable.startswith(PREFIX) or variable.removeprefix(PREFIX) in _PLACES or not value:
            continue
        name = variable.removeprefix(PREFIX).lower().replace("__", ".")
        if inside := next((known for known in _ANNOTATIONS if known.startswith(f"{name}.")), None):
            example = PREFIX + inside.replace(".", "__").upper()
            raise ConfigError(f"environment {variable}: '{name}' is a table; give one of its settings, as {example}")
        if name not in _ANNOTATIONS:
            table, dot, leaf = name.rpartition(".")
            raise ConfigError(f"environment {variable}: unknown setting '{name}'{_nearest(leaf, table + dot)}")
        layer[name] = Given(value, f"environment {variable}")
    return layer


def _profile_layer(profile: Given, tables: list[tuple[Path, dict[str, Any]]]) -> dict[str, Given]:
    """Return what the profile says: a built-in one, or a ``[profiles.NAME]`` table over the one it extends.

    The names in all of the user's own are looked through: a slip would else come to light in the night it is needed.
    """
    own = {
        name: _own_layer(path, name, table) for path, content in tables for name, table in _own_profiles(path, content)
    }
    name = str(profile.value)
    if name in PROFILES:
        return _built_in(name)
    if name not in own:
        known = (*PROFILES, *own)
        raise ConfigError(
            f"{profile.origin}: unknown profile '{name}'{_did_you_mean(name, known)}; known: {', '.join(known)}"
        )
    return own[name]


def _built_in(name: str) -> dict[str, Given]:
    return {key: Given(value, f"profile {name}") for key, value in _leaves(PROFILES[name], Settings, name)}


def _own_layer(path: Path, name: str, table: Mapping[str, Any]) -> dict[str, Given]:
    base = table.get("extends", "default")
    if base not in tuple(PROFILES):  # a TOML value that has no hash is none of them either
        raise ConfigError(f"{path}: profile '{name}' extends '{base}'; it can extend {', '.join(PROFILES)}")
    said = {key: value for key, value in table.items() if key != "extends"}
    own = _file_layer(path, said, part=f": profile '{name}'")
    return _built_in(base) | {key: Given(given.value, f"profile {name} ({path})") for key, given in own.items()}


def _for_all_types(layer: Mapping[str, Given]) -> dict[str, Given]:
    """Return the recipes of single types unset, where ``layer`` gives the setting for all types.

    ``--rejection sigma`` is meant for flats too, even where the profile has a rejection for flats alone.
    """
    return {
        f"recipe.{kind}.{leaf}": Given(None, given.origin)
        for name, given in layer.items()
        for kind in RecipesSettings.model_fields
        if (leaf := name.removeprefix("recipe.all.")) != name and kind != "all"
    }


def _own_profiles(path: Path, content: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    profiles = content.get("profiles", {})
    if not isinstance(profiles, dict):
        raise ConfigError(f"{path}: 'profiles' holds tables, as [profiles.mine]")
    for name, table in profiles.items():
        if name in PROFILES:
            raise ConfigError(f'{path}: profile "{name}" is built in; choose another name and extends = "{name}"')
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: 'profiles.{name}' is a table, as [profiles.{name}]")
        yield name, table


def _leaves(table: Mapping[str, Any], model: type[Section], where: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each setting in ``table`` with its dotted name; ConfigError where a name is not one of ``model``'s."""
    for name, value in table.items():
        if name not in model.model_fields:
            raise ConfigError(f"{where}: unknown setting '{prefix}{name}'{_nearest(name, prefix)}")
        table_of = section(model.model_fields[name].annotation)
        if table_of is None:
            yield prefix + name, value
        elif isinstance(value, Mapping):
            yield from _leaves(value, table_of, where, f"{prefix}{name}.")
        else:
            raise ConfigError(f"{where}: '{prefix}{name}' is a table of settings, as [{prefix}{name}]")


def section(kind: Any) -> type[Section] | None:
    """Return ``kind``, the type of a setting, if it is a table of settings."""
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


# --- one Settings out of the layers -----------------------------------------------------------------------


def _validated(merged: Mapping[str, Given]) -> Settings:
    tree: dict[str, Any] = {}
    for name, given in merged.items():
        *path, leaf = name.split(".")
        table = tree
        for part in path:
            table = table.setdefault(part, {})
        table[leaf] = _listed(name, given.value)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise ConfigError("\n".join(_complaints(error, merged))) from error


def _listed(name: str, value: Any) -> Any:
    """Return the parts of a list that was written as one text: ``bias,dark``."""
    kinds = (_ANNOTATIONS[name], *get_args(_ANNOTATIONS[name]))
    if isinstance(value, str) and any(get_origin(kind) is tuple for kind in kinds):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _complaints(error: ValidationError, merged: Mapping[str, Given]) -> Iterator[str]:
    for problem in error.errors():
        parts = [str(part) for part in problem["loc"]]
        names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        name = next((name for name in names if name in merged), None)
        message = problem["msg"].removeprefix("Value error, ")
        if name is None:  # two settings of one table contradict each other
            yield f"{_origins(parts, merged)}: {'.'.join(parts)}: {message}"
        else:
            yield f"{merged[name].origin}: {name} = {merged[name].value}: {message}"


def _origins(table: Sequence[str], merged: Mapping[str, Given]) -> str:
    """Return where settings of a table were said."""
    prefix = "".join(f"{part}." for part in table)
    said = {given.origin for name, given in merged.items() if name.startswith(prefix) and given.origin != "default"}
    return ", ".join(sorted(said)) or "settings"


# --- names ------------------------------------------------------------------------------------------------


def _annotations(model: type[Section], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        inner = section(field.annotation)
        found |= _annotations(inner, f"{prefix}{name}.") if inner else {prefix + name: field.annotation}
    return found


_ANNOTATIONS: Final = _annotations(Settings)


def _nearest(name: str, prefix: str) -> str:
    """Return advice: the nearest name in the same table, else in any table, else nothing."""
    siblings = {known[len(prefix) :].split(".")[0] for known in _ANNOTATIONS if known.startswith(prefix)}
    if close := difflib.get_close_matches(name, siblings, n=1):
        return f" (did you mean '{prefix}{close[0]}'?)"
    anywhere = {known.rpartition(".")[2]: known for known in reversed(_ANNOTATIONS)}
    close = difflib.get_close_matches(name, anywhere, n=1)
    return f" (did you mean '{anywhere[close[0]]}'?)" if close else ""


def _did_you_mean(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
