"""What a script meets: the objects, their checks, the console and its log, in both dialects."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator.inprocess import Simulator


@pytest.mark.parametrize(
    ("build", "expected"),
    [("sm", "undefined 0 | undefined 4"), ("v8", "0 undefined | 4 undefined")],
)
def test_constants_stand_on_the_prototype_or_on_the_process(tmp_path: Path, build: str, expected: str) -> None:
    """SpiderMonkey and V8 have them in different places, and not in both."""
    shown = Simulator(tmp_path, javascript=build).run(
        "var C = ImageIntegration; console.writeln(C.Average, ' ', C.prototype.Average, ' | ',"
        "C.WinsorizedSigmaClip, ' ', C.prototype.WinsorizedSigmaClip);"
    )

    assert shown == f"{expected}\n"


@pytest.mark.parametrize(
    ("statement", "sm", "v8"),
    [
        (
            "P.sigmaLow = 99",
            "ImageIntegration.sigmaLow(): numeric value out of range: 99",
            "ImageIntegration.sigmaLow(): numeric value out of range: 99",
        ),
        (
            "P.combination = ImageIntegration.Nonsense",
            "ImageIntegration.combination(): invalid argument type: signed integer value expected",
            "Invalid argument type: signed integer value expected",
        ),
        (
            "P.rejection = 10",
            "ImageIntegration.rejection(): numeric value out of range: 10",
            "ImageIntegration.rejection(): numeric value out of range: 10",
        ),
        (
            "P.sigmaHigh = NaN",
            "ImageIntegration.sigmaHigh(): invalid argument type: numeric value expected",
            "Invalid argument type: numeric value expected",
        ),
        (
            "P.clipLow = 1",
            "ImageIntegration.clipLow(): invalid argument type: Boolean expected",
            "Invalid argument type: boolean expected",
        ),
        (
            "P.numberOfImages = 3",
            "ImageIntegration.numberOfImages: cannot assign a value to a read-only property",
            "ImageIntegration.numberOfImages: cannot assign a value to a read-only property",
        ),
        (
            "P.images = [[true, 'a']]",
            "Too few array elements for row 0: expected 4 values; got 2",
            "Too few array elements for row 0: expected 4 values; got 2",
        ),
        (
            "P.images = ['a']",
            "ImageIntegration.images(): invalid argument type: Array of Array expected",
            "ImageIntegration.images(): invalid argument type: Array of Array expected",
        ),
        (
            "P.sigmalow = 4",
            "ImageIntegration.sigmalow: there is no such property in PixInsight 1.9.4",
            "ImageIntegration.sigmalow: there is no such property in PixInsight 1.9.4",
        ),
    ],
)
def test_assignments_are_checked(tmp_path: Path, statement: str, sm: str, v8: str) -> None:
    """Name, type, range, read-only, row width: what PixInsight would refuse throws, in the words of its engine."""
    script = f"var P = new ImageIntegration; try {{ {statement}; }} catch (e) {{ console.writeln(e.message); }}"

    assert Simulator(tmp_path / "sm").run(script) == f"{sm}\n"
    assert Simulator(tmp_path / "v8", javascript="v8").run(script) == f"{v8}\n"


def test_parameters_belong_to_versions(tmp_path: Path) -> None:
    """The image type came with 1.9, minWeight with 1.8.9-2; an old name goes on as an alias."""
    script = (
        "var P = new ImageIntegration; P.evaluateNoise = false;"
        "console.writeln([P.imageType, P.minWeight, P.evaluateSNR].join())"
    )

    assert Simulator(tmp_path / "old", version="1.8.9").run(script) == ",,false\n"
    assert Simulator(tmp_path / "middle", version="1.8.9.2").run(script) == ",0.005,false\n"
    assert Simulator(tmp_path / "new").run(script) == "0,0.005,false\n"


def test_tables_are_read_as_copies(tmp_path: Path) -> None:
    """Changing a row that was read changes nothing until the table is assigned."""
    shown = Simulator(tmp_path).run(
        "var P = new ImageIntegration; P.images = [[true, 'a', '', '']]; P.images[0][1] = 'b';"
        "P.images.push(1); console.writeln(P.images.join());"
    )

    assert shown == "true,a,,\n"


def test_refused_processes_throw_and_say_why(tmp_path: Path) -> None:
    """The first of three ways to fail: an exception before anything runs."""
    shown = Simulator(tmp_path).run(
        "try { (new ImageIntegration).executeGlobal(); } catch (e) { console.writeln(e.message); }"
        "var C = new ImageCalibration; C.targetFrames = [[true, 'x']];"
        "try { C.executeGlobal(); } catch (e) { console.writeln(e.message); }"
    )

    assert shown.splitlines() == [
        "ImageIntegration: Cannot execute instance in the global context",
        "Reason: This instance of ImageIntegration defines less than three source images.",
        "ImageCalibration: Cannot execute instance in the global context",
        "Reason: Missing or invalid master bias frame.",
    ]


def test_spidermonkey_lacks_what_came_after_es5(tmp_path: Path) -> None:
    """A script that leans on newer built-ins fails here as it would there."""
    script = (
        "console.writeln([typeof Map, typeof Promise, typeof Symbol, typeof Object.assign, typeof ''.endsWith,"
        "typeof [].find, typeof Number.isInteger, typeof Math.sign, typeof [].map, typeof JSON.parse].join(' '))"
    )

    assert Simulator(tmp_path / "sm").run(script) == "undefined " * 8 + "function function\n"
    assert Simulator(tmp_path / "v8", javascript="v8").run(script).strip() == " ".join(["function"] * 10)


@pytest.mark.parametrize("name", ["CosmeticCorrection", "setTimeout", "hostCall", "DIALECT", "require"])
def test_what_is_not_simulated_is_not_there(tmp_path: Path, name: str) -> None:
    """An unknown name is a ReferenceError on the console, in the words of the engine."""
    path = (tmp_path / "script.js").as_posix()

    assert (
        Simulator(tmp_path).run(f"\n{name}();") == f"*** Error: {path}, line 2: ReferenceError: {name} is not defined\n"
    )
    shown = Simulator(tmp_path, javascript="v8").run(f"\n{name}();")
    assert shown.startswith(f"*** Error: {path}:2: ReferenceError: {name} is not defined\n   at ")


@pytest.mark.parametrize("grows", [True, False])
def test_the_log_has_a_banner_and_time_stamps(tmp_path: Path, grows: bool) -> None:
    """Mark-up is gone from it; a log that only endLog() writes is lost where the script dies before."""
    log = tmp_path / "log.txt"
    simulator = Simulator(tmp_path, log_grows=grows)
    simulator.run(f"console.beginLog('{log.as_posix()}'); console.note('a'); console.writeln('<b>b</b><br>c'); oops();")
    early = log.read_text(encoding="utf-8")
    simulator.run("console.writeln('<raw><b></raw>'); console.endLog(); console.writeln('unheard');")
    lines = log.read_text(encoding="utf-8").splitlines()

    assert (early != "") is grows
    assert lines[:3] == ["*" * 80, "PixInsight Core 1.9.4 Lockhart (x64)", "*" * 80]
    assert all(re.match(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] ", line) for line in lines[3:])
    texts = [line[22:] for line in lines[3:]]
    assert texts[:2] == ["ab", "c"]
    assert texts[-1] == "<b>"


def test_end_log_gives_the_text(tmp_path: Path) -> None:
    """Without a path the log is kept in memory; without a log there is nothing."""
    shown = Simulator(tmp_path).run(
        "console.writeln(String(console.endLog()).length); console.beginLog(); console.writeln('x');"
        "console.writeln(/\\] x\\n/.test(String(console.endLog())));"
    )

    assert shown == "0\nx\ntrue\n"


def test_text_files_lose_characters_of_four_bytes(tmp_path: Path) -> None:
    """So a script writes ASCII and escapes the rest."""
    out = (tmp_path / "out.txt").as_posix()
    Simulator(tmp_path).run(f"File.writeTextFile('{out}', 'h\\u00e9\\ud83d\\ude00');")

    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "hé??"


def test_files_can_be_moved_where_nothing_stands(tmp_path: Path) -> None:
    """Replacing by a move fails, as on Windows; failures are exceptions."""
    a, b = ((tmp_path / name).as_posix() for name in ("a", "b"))
    shown = Simulator(tmp_path).run(
        f"var a = '{a}', b = '{b}';"
        "File.writeTextFile(a, '1'); File.move(a, b); console.writeln(File.exists(a), File.exists(b));"
        "File.writeTextFile(a, '2'); try { File.move(a, b); } catch (e) { console.writeln('refused'); }"
        "try { File.remove(a + 'x'); } catch (e) { console.writeln('refused'); }"
    )

    assert shown == "falsetrue\nrefused\nrefused\n"


def test_windows_are_never_null(tmp_path: Path) -> None:
    """A window that is not there says isNull; asking without a name is an error."""
    shown = Simulator(tmp_path).run(
        "console.writeln(ImageWindow.windowById('none').isNull);"
        "try { ImageWindow.windowById(undefined); } catch (e) { console.writeln(e.message); }"
        "console.writeln(View.viewById('none') === null);"
    )

    assert shown == "true\nImageWindow.windowById(): invalid argument type: String expected.\nfalse\n"
    assert (
        Simulator(tmp_path / "v8", javascript="v8").run("console.writeln(View.viewById('none') === null)") == "true\n"
    )


def test_keywords_know_their_kind(tmp_path: Path) -> None:
    """Values are text; strings keep their quotes."""
    shown = Simulator(tmp_path).run(
        "var a = new FITSKeyword('FILTER', \"'Red     '\", 'c'), b = new FITSKeyword('GAIN', '100', '');"
        "var c = new FITSKeyword('X', 'T', '');"
        "console.writeln([a.strippedValue, a.isString, b.numericValue, b.isNumeric, c.isBoolean, c.isNumeric].join());"
    )

    assert shown == "Red,true,100,true,true,false\n"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40))
def test_any_text_crosses_the_bridge_unharmed(tmp_path: Path, text: str) -> None:
    """Quotes, NUL, U+2028, surrogate pairs: what a script hands over arrives, and comes back equal."""
    shown = Simulator(tmp_path).run(
        f"var text = {json.dumps(text)}; var P = new ImageIntegration; P.weightKeyword = text;"
        "console.writeln(P.weightKeyword === text ? 'same' : 'different');"
    )

    assert shown == "same\n"


def test_arguments_reach_the_script(tmp_path: Path) -> None:
    """What follows the script's path on the command line."""
    assert Simulator(tmp_path).run("console.writeln(jsArguments.join('|'));", "a=1", "b") == "a=1|b\n"


def test_environment_variables_are_not_visible(tmp_path: Path) -> None:
    """Under automation they were seen to be empty."""
    assert Simulator(tmp_path).run("console.writeln('[', getEnvironmentVariable('PATH'), ']');") == "[]\n"
