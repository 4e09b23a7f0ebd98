"""Scripts are plain ES5 or do not start, and PixInsight says so on its console only."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulator.inprocess import Simulator
from tests.simulator.script import ScriptError, check_es5, load
from tests.simulator.settings import Settings


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("let x = 1;", id="let"),
        pytest.param("const x = 1;", id="const"),
        pytest.param("var f = () => 1;", id="arrow"),
        pytest.param("var f = `x`;", id="template"),
        pytest.param("class A {}", id="class"),
        pytest.param("f(...a);", id="spread"),
        pytest.param("function f(a = 1) {}", id="default parameter"),
        pytest.param("function f(...a) {}", id="rest parameter"),
        pytest.param("var {a} = b;", id="destructuring"),
        pytest.param("var o = {a};", id="shorthand"),
        pytest.param("var o = {[a]: 1};", id="computed"),
        pytest.param("var o = {a() {}};", id="method"),
        pytest.param("for (var x of y) {}", id="for of"),
        pytest.param("function* g() {}", id="generator"),
        pytest.param("async function g() {}", id="async"),
        pytest.param("a ** b;", id="exponent"),
        pytest.param("f(a,);", id="trailing comma in a call"),
        pytest.param("try {} catch {}", id="catch without a name"),
        pytest.param("a?.b;", id="optional chaining"),
        pytest.param("a ?? b;", id="nullish"),
        pytest.param("if (a) { function f() {} }", id="function in a block"),
        pytest.param("var a = 010;", id="octal"),
        pytest.param("var a = 0b11;", id="binary"),
        pytest.param("var a = '\\u{1F600}';", id="code point escape"),
        pytest.param("var a = /x/u;", id="regular expression flag"),
        pytest.param("with (a) {}", id="with"),
        pytest.param("var = 1;", id="nonsense"),
    ],
)
def test_what_es5_does_not_know_is_refused(text: str) -> None:
    """Old cores run SpiderMonkey 24; what its parser would reject must not get through here."""
    with pytest.raises(ScriptError, match="SyntaxError"):
        check_es5(text)


@pytest.mark.parametrize(
    "text",
    [
        "var o = {if: 1, 'b': 2, get c() { return 3; }}; o.class = [1,,2,]; o.default = {a: 1,};",
        "function f() { function g() {} return g; } label: for (;;) { break label; }",
        "try { throw 1; } catch (e) {} finally {} var r = /[a]/gim, x = 1e3, y = 0x1F, z = .5, s = '\\u2028\\x41';",
    ],
)
def test_es5_gets_through(text: str) -> None:
    """Reserved words as property names, accessors, trailing commas in literals: all of it is ES5."""
    check_es5(text)


def test_the_line_is_that_of_the_file(tmp_path: Path) -> None:
    """Preprocessor lines do not shift it."""
    shown = Simulator(tmp_path).run("#feature-id a\n// comment\nlet x;\n")

    assert (
        shown == f"*** Error: {(tmp_path / 'script.js').as_posix()}, line 3: SyntaxError: let is not allowed in ES5\n"
    )


@pytest.mark.parametrize(
    "text", [pytest.param("#include <pjsr/DataType.jsh>\n", id="include"), pytest.param("// \u00e9\n", id="not ASCII")]
)
def test_some_scripts_end_before_they_begin(tmp_path: Path, text: str) -> None:
    """A log that the script would have opened never exists."""
    log = (tmp_path / "log.txt").as_posix()
    shown = Simulator(tmp_path).run(f"{text}Console.beginLog('{log}');\n")

    assert "*** Error: " in shown
    assert not (tmp_path / "log.txt").exists()


@pytest.mark.parametrize(
    ("version", "build", "text", "expected"),
    [
        ("1.9.4", "sm", "var x;", "sm"),
        ("1.9.4", "sm", "#engine v8\nvar x;", "v8"),
        ("1.9.4", "sm", "#engine sm\nvar x;", "sm"),
        ("1.9.4", "v8", "var x;", "v8"),
        ("1.9.4", "arm", "#engine v8\nvar x;", "v8"),
        ("1.9.4", "arm", "var x;", "The legacy 'sm' JavaScript engine is not available in this PixInsight build."),
        ("1.9.3", "sm", "#engine v8\nvar x;", "SyntaxError: illegal character"),
        ("1.9.4", "sm", "var x;\n#engine v8\n", "#engine must stand at the very beginning of the script"),
    ],
)
def test_the_engine_is_the_version_s_the_build_s_and_the_script_s_choice(
    tmp_path: Path, version: str, build: str, text: str, expected: str
) -> None:
    """1.9.4 has both engines, the build for Apple silicon only V8, older ones only SpiderMonkey."""
    script = tmp_path / "script.js"
    script.write_text(text, encoding="utf-8")
    settings = replace(Settings.read(), version=tuple(map(int, version.split("."))), javascript=build)

    try:
        got: str = load(script, settings).dialect
    except ScriptError as error:
        got = error.what
    assert got == expected
