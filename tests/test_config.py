"""Settings: which layer wins, what is refused, and what the profiles say."""

from pathlib import Path

import pytest

from ap_masters.config import RecipeSettings, Settings
from ap_masters.config.profiles import PROFILES
from ap_masters.config.sources import FILE_NAME, Given, Loaded, annotation, load, project_file, user_file, values
from ap_masters.engines.pixinsight.slots import state_folder
from ap_masters.errors import ConfigError
from ap_masters.header_cache import HeaderCache
from ap_masters.model import FrameType, Recipe


class Place:
    """A machine of its own: a user's settings folder and a project folder."""

    def __init__(self, root: Path) -> None:
        self.user = root / "user" / FILE_NAME
        self.project = root / "my project" / FILE_NAME
        for path in (self.user, self.project):
            path.parent.mkdir()

    def load(self, *, flags: dict[str, Given] | None = None, **environment: str) -> Loaded:
        variables = {f"AP_MASTERS_{name}": value for name, value in environment.items()}
        return load(
            flags=flags,
            environment={"PATH": "/bin", "AP_MASTERS_CONFIG_DIR": str(self.user.parent)} | variables,
            folder=self.project.parent,
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# --- which layer wins -------------------------------------------------------------------------------------


def test_nothing_said_means_the_defaults(place: Place) -> None:
    """A machine without files and variables runs on the defaults, and says so of every setting."""
    loaded = place.load()

    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.files == ()


def test_each_layer_overrules_those_below_it(place: Place) -> None:
    """Flags over environment over project file over user file over profile over defaults."""
    place.user.write_text('profile = "nina"\nlayout = "wbpp"\nthreads = 1\n', encoding="utf-8")
    seen = [(loaded := place.load()).settings.layout]
    place.project.write_text('layout = "siril"\n', encoding="utf-8")
    seen.append((loaded := place.load()).settings.layout)
    seen.append((loaded := place.load(LAYOUT="pulsar")).settings.layout)
    flags = {"layout": Given("playbook", "flag --layout")}
    seen.append((loaded := place.load(flags=flags, LAYOUT="pulsar")).settings.layout)

    assert seen == ["wbpp", "siril", "pulsar", "playbook"]
    assert loaded.settings.threads == 1
    assert loaded.settings.cull.discard_first.bias == 10
    assert loaded.origins["layout"] == "flag --layout"
    assert loaded.origins["threads"] == str(place.user)
    assert loaded.origins["cull.discard_first.bias"] == "profile nina"
    assert loaded.origins["memory"] == "default"
    assert loaded.files == (place.user, place.project)


def test_a_table_overrules_only_what_it_names(place: Place) -> None:
    """Half a table leaves the other half as it was."""
    place.project.write_text("[counts.bias]\nminimum = 7\n", encoding="utf-8")

    policy = place.load().settings.counts.bias

    assert (policy.minimum, policy.recommended, policy.optimal) == (7, 100, 200)


def test_a_recipe_for_all_types_overrules_lower_layers_of_single_types(place: Place) -> None:
    """--rejection is meant for flats too, though the profile has a rejection for flats alone."""
    place.project.write_text(
        'profile = "anawbpps"\n[recipe.all]\nsigma_low = 2\n[recipe.flat]\nsigma_low = 3\n', encoding="utf-8"
    )
    flags = {"recipe.all.rejection": Given("sigma", "flag --rejection")}

    recipe = place.load(flags=flags).settings.recipe.of(FrameType.FLAT)

    assert recipe.rejection == "sigma"
    assert recipe.linear_fit_low == 5.0
    assert recipe.sigma_low == 3.0  # within one layer the type's own word counts


def test_the_nearest_project_file_above_counts(place: Place) -> None:
    """A program started in a folder of the project finds the project's file."""
    place.project.write_text("threads = 2\n", encoding="utf-8")
    deep = place.project.parent / "night" / "darks"
    deep.mkdir(parents=True)

    assert project_file(deep) == place.project


def test_a_named_file_takes_the_place_of_the_project_file(place: Place, tmp_path: Path) -> None:
    """--config FILE is read instead of what lies in the folder, and must be there."""
    place.project.write_text("threads = 2\n", encoding="utf-8")
    other = tmp_path / "other.toml"
    other.write_text("threads = 3\n", encoding="utf-8")
    environment = {"AP_MASTERS_CONFIG_DIR": str(tmp_path)}

    assert load(environment=environment, folder=place.project.parent, file=other).settings.threads == 3
    with pytest.raises(ConfigError, match=r"missing\.toml: cannot be read"):
        load(environment=environment, folder=place.project.parent, file=tmp_path / "missing.toml")


def test_environment_variables_reach_into_tables(place: Place) -> None:
    """Two underscores go one table down; numbers, truths and lists are read from their text."""
    settings = place.load(
        PIXINSIGHT__TIMEOUT_S="12.5", MATCH__SCALE_DARK="true", STAGES="bias, dark", MEMORY=""
    ).settings

    assert settings.pixinsight.timeout_s == 12.5
    assert settings.match.scale_dark is True
    assert settings.stages == ("bias", "dark")
    assert settings.memory is None


def test_paths_in_a_file_are_relative_to_that_file(place: Place) -> None:
    """A project can be moved or opened from anywhere; a path inside the library stays as it is."""
    place.project.write_text(
        'bias_master_dir = "../masters"\n[library]\nindex_path = "ops/index.md"\n', encoding="utf-8"
    )

    settings = place.load().settings

    assert settings.bias_master_dir == place.project.parent / "../masters"
    assert settings.library.index_path == Path("ops/index.md")


def test_the_users_folder_is_the_systems_unless_said(tmp_path: Path) -> None:
    """AP_MASTERS_CONFIG_DIR moves it; else it is where the operating system keeps settings."""
    assert user_file({"AP_MASTERS_CONFIG_DIR": str(tmp_path)}) == tmp_path / FILE_NAME
    assert user_file({}).parts[-2:] == ("ap-masters", FILE_NAME)


def test_all_that_is_the_users_lies_in_one_folder_of_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has a folder for who wrote a program above the program's, unless that is declined."""
    for name in ("CACHE", "STATE"):
        monkeypatch.delenv(f"AP_MASTERS_{name}_DIR")

    for place in (user_file({}).parent, HeaderCache.default().place, state_folder()):
        assert place.parts.count("ap-masters") == 1


@pytest.mark.parametrize("word", ["dark flat", "Dark Flat", "darkflat", "DARK-FLAT", "dark_flat"])
def test_a_frame_type_is_a_word_in_any_case_however_it_is_joined(place: Place, word: str) -> None:
    """Headers and folders spell dark flats in all these ways; the shell is easiest with one word."""
    place.project.write_text(f'types = ["{word}", "Bias"]', encoding="utf-8")

    assert place.load().settings.types == (FrameType.DARK_FLAT, FrameType.BIAS)


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('layot = "ap"', r"unknown setting 'layot' \(did you mean 'layout'\?\)", id="a slip"),
        pytest.param("sigma_low = 4", r"\(did you mean 'recipe\.all\.sigma_low'\?\)", id="in the wrong table"),
        pytest.param(
            "[pixinsight]\nbinray = 'x'",
            r"'pixinsight\.binray' \(did you mean 'pixinsight\.binary'\?\)",
            id="in a table",
        ),
        pytest.param("qqqq = 1", r"unknown setting 'qqqq'$", id="like nothing known"),
        pytest.param("threads = 0", r"threads = 0: Input should be greater than or equal to 1", id="out of range"),
        pytest.param(
            "recipe.all.sigma_low = 99", r"recipe\.all\.sigma_low = 99: .* less than or equal to 10", id="no sigma"
        ),
        pytest.param("recipe.flat.minmax_low = -1", r"minmax_low = -1: .* greater than or equal to 0", id="no count"),
        pytest.param("recipe.bias.sigma_high = nan", r"sigma_high = nan: .* finite number", id="not a number"),
        pytest.param("match.temperature_tolerance_c = inf", r"= inf: Input should be a finite number", id="endless"),
        pytest.param(
            "[flat]\ndrop_below = 0.95\ndrop_above = 0.1",
            r"toml: flat: drop_below \(0\.95\) .* below drop_above \(0\.1\)",
            id="crossed limits",
        ),
        pytest.param("flat.drop_below = 0.9", r"drop_below \(0\.9\) .* drop_above \(0\.9\)", id="nothing between"),
        pytest.param("flat.recommended_low = 0.6", r"recommended_low \(0\.6\) .* \(0\.55\)", id="crossed advice"),
        pytest.param("memory = 'lots'", r"memory = lots: 'lots' is not an amount of memory", id="no amount"),
        pytest.param("recipe = 4", r"'recipe' is a table of settings", id="a value for a table"),
        pytest.param("[layout]\nx = 1", r"layout = .*: Input should be a valid string", id="a table for a value"),
        pytest.param("threads = ", r"cannot be read as settings", id="not TOML"),
        pytest.param("memory = 4G", r"Words stand in quotes, as in memory = '4G'", id="no quotes"),
        pytest.param(
            '[pixinsight]\nbinary = "C:\\Program Files"', r"in single ones, as in 'C:\\Program Files'", id="Windows"
        ),
        pytest.param("profile = 'nona'", r"unknown profile 'nona' \(did you mean 'nina'\?\)", id="unknown profile"),
        pytest.param("profiles = 3", r"'profiles' holds tables", id="profiles without tables"),
        pytest.param("[profiles]\nmine = 3", r"'profiles\.mine' is a table", id="profile without table"),
        pytest.param("[profiles.nina]\nthreads = 3", r"\"nina\" is built in", id="a built-in name"),
        pytest.param(
            "profile = 'a'\n[profiles.a]\nextends = 'b'\n[profiles.b]", r"'a' extends 'b'; it can extend", id="a chain"
        ),
        pytest.param("profile = 'a'\n[profiles.a]\nlayot = 'ap'", r"did you mean 'layout'", id="slip in a profile"),
        pytest.param(
            "[profiles.a]\nlayot = 'ap'",
            r"profile 'a': unknown setting 'layot' .*'layout'",
            id="slip in another profile",
        ),
        pytest.param("[profiles.a]\nextends = 'nona'", r"'a' extends 'nona'; it can", id="another profile of no other"),
        pytest.param("[profiles.a]\nextends = ['nina']", r"'a' extends '\['nina'\]'; it can", id="a profile of many"),
        pytest.param("threads = true", r"threads = True: .*a number", id="true for a whole number"),
        pytest.param("recipe.all.sigma_low = false", r"sigma_low = False: .*a number", id="false for a number"),
        pytest.param("library.policies.mine.dark.max_age_days = true", r"policies = .*a number", id="true in a policy"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name(place: Place, text: str, message: str) -> None:
    """The message names the file, what is wrong in it, and the nearest known name."""
    place.project.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError, match=message) as caught:
        place.load()
    assert str(place.project) in str(caught.value)
    assert caught.value.exit_code == 2


def test_every_setting_of_a_recipe_has_the_range_of_the_recipe() -> None:
    """What the settings let through, the recipe takes: a value out of range is the user's slip, not a crash."""
    recipe, settings = Recipe.model_json_schema()["properties"], RecipeSettings.model_json_schema()["properties"]
    limits = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}

    def ranges(name: str) -> list[dict[str, float]]:
        said = (properties[name] for properties in (recipe, settings))
        return [{key: part[key] for key in limits & part.keys()} for p in said for part in p.get("anyOf", [p])[:1]]

    assert recipe.keys() == settings.keys()
    assert [name for name in recipe if ranges(name)[0] != ranges(name)[1]] == []


def test_a_file_that_is_not_text_is_refused(place: Place) -> None:
    """A file in another encoding is named, not traced back."""
    place.project.write_bytes(b'layout = "\xff\xfe"')

    with pytest.raises(ConfigError, match="cannot be read as settings"):
        place.load()


def test_an_unknown_variable_is_refused_with_the_nearest(place: Place) -> None:
    """A slip in the environment is as silent a fault as one in a file."""
    with pytest.raises(ConfigError, match=r"AP_MASTERS_PIXINSIGHT__TIMEOUTS.*did you mean 'pixinsight\.timeout_s'"):
        place.load(PIXINSIGHT__TIMEOUTS="3")


def test_a_variable_that_names_a_table_is_told_so(place: Place) -> None:
    """What was meant is one of its settings, and which of them nobody knows."""
    with pytest.raises(ConfigError, match=r"'recipe\.all' is a table.* AP_MASTERS_RECIPE__ALL__[A-Z]"):
        place.load(RECIPE__ALL="x")
    with pytest.raises(ConfigError, match=r"'recipe' is a table.* AP_MASTERS_RECIPE__[A-Z]"):
        place.load(RECIPE="x")


def test_every_wrong_value_is_reported_at_once(place: Place) -> None:
    """Two faults are two lines, each with its own origin."""
    place.project.write_text("threads = 0\n", encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        place.load(RECIPE__ALL__REJECTION="sgma")

    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"{place.project}: threads = 0")
    assert lines[1].startswith("environment AP_MASTERS_RECIPE__ALL__REJECTION: recipe.all.rejection = sgma")


def test_settings_that_contradict_each_other_are_told_where_they_stand(place: Place) -> None:
    """Not where anything else was said."""
    place.project.write_text("[flat]\ndrop_below = 0.95\ndrop_above = 0.1\n", encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        place.load(LAYOUT="nina")

    assert str(caught.value).startswith(f"{place.project}: flat: ")


# --- profiles ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_valid(place: Place, name: str) -> None:
    """A built-in profile names only settings that exist, with values in their range."""
    loaded = place.load(PROFILE=name)

    assert loaded.settings.profile == name
    assert any(origin == f"profile {name}" for origin in loaded.origins.values()) == (name != "default")


def test_profile_nina_tosses_the_first_ten_biases(place: Place) -> None:
    """S1-01, S1-02, S1-03, S1-29: 220 biases less the first 10; 30 to 50 darks; dropped beyond 0.5 °C."""
    settings = place.load(PROFILE="nina").settings

    assert settings.cull.discard_first.of(FrameType.BIAS) == 10
    assert settings.cull.discard_first.of(FrameType.DARK) == 0
    assert settings.cull.drop_temperature_c == 0.5
    assert settings.counts.of(FrameType.BIAS).optimal == 210
    assert settings.counts.of(FrameType.DARK_FLAT).minimum == 30


def test_profile_playbook_clips_at_four_and_three_sigma(place: Place) -> None:
    """S0-11, S0-22: at least 30 subs, Sigma Low = 4, Sigma High = 3."""
    settings = place.load(PROFILE="playbook").settings

    recipe = settings.recipe.of(FrameType.DARK)
    assert (recipe.sigma_low, recipe.sigma_high) == (4.0, 3.0)
    assert settings.counts.dark.minimum == 30
    assert settings.layout == "playbook"


def test_profile_anawbpps_has_the_guides_counts_and_tolerances(place: Place) -> None:
    """S2-13, S2-17, S2-30, S2-16, S2-21, S2-42: its count table, 1 °C, 3 hours, flats 5 °C."""
    settings = place.load(PROFILE="anawbpps").settings

    counts = [settings.counts.of(kind) for kind in (FrameType.BIAS, FrameType.DARK, FrameType.FLAT)]
    assert [(c.minimum, c.recommended, c.optimal) for c in counts] == [(50, 100, 200), (15, 30, 50), (20, 30, 50)]
    assert settings.match.temperature_tolerance_c == 1.0
    assert settings.match.flat_temperature_tolerance_c == 5.0
    assert settings.match.dark_flat_window_h == 3.0
    assert settings.recipe.of(FrameType.FLAT).linear_fit_high == 2.5


def test_profile_pulsar_is_med_makedark_and_makeflat(place: Place) -> None:
    """S3-01, S3-10, S3-11, S3-13, S3-21: medians, defects beside darks, 5000 ADU, one exposure, 25-40 %."""
    settings = place.load(PROFILE="pulsar").settings

    flat = settings.recipe.of(FrameType.FLAT)
    assert (flat.combination, flat.rejection, flat.target_median) == ("median", "none", 5000.0)
    assert settings.flat.consistent_exposures
    assert (settings.flat.recommended_low, settings.flat.recommended_high) == (0.25, 0.40)
    assert settings.library.defects_beside_darks


def test_profile_ap_does_not_use_masters_of_the_same_run(place: Place) -> None:
    """S4-16, S4-19, C-08: masters of an earlier run serve flats; the ladder starts at the dark, scaled if need be."""
    settings = place.load(PROFILE="ap").settings

    assert settings.same_run is False
    assert settings.match.use_dark_flats is False
    assert settings.match.scale_dark is True


def test_a_profile_of_ones_own_extends_another(place: Place) -> None:
    """What it says stands over the profile it extends, in whichever file it stands."""
    place.user.write_text("[profiles.roof]\nextends = 'nina'\n[profiles.roof.counts.bias]\nminimum = 25\n", "utf-8")
    place.project.write_text("profile = 'roof'\n", encoding="utf-8")

    loaded = place.load()

    assert loaded.settings.counts.bias.minimum == 25
    assert loaded.settings.counts.bias.optimal == 210
    assert loaded.origins["counts.bias.minimum"] == f"profile roof ({place.user})"
    assert loaded.origins["counts.bias.optimal"] == "profile nina"


# --- names ------------------------------------------------------------------------------------------------


def test_every_setting_has_a_dotted_name_and_a_type() -> None:
    """The names that origins, files and flags use are those of the model."""
    names = values(Settings())

    assert names["recipe.flat.target_median"] is None
    assert annotation("pixinsight.instance_id") is int
    assert all(annotation(name) is not None for name in names)
