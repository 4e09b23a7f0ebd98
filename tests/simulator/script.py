"""Reading a script as PixInsight does: preprocessor lines, the choice of engine, and a check that it is plain ES5."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.simulator.settings import Dialect, Settings


class ScriptError(Exception):
    """The script does not even start; PixInsight says so on its console and exits with 0."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


class Script(NamedTuple):
    """A script ready to run. Preprocessor lines are blank, so that line numbers are those of the file."""

    path: Path
    text: str
    dialect: Dialect


_DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*([A-Za-z-]+)[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_HARMLESS = {"engine", "feature-id", "feature-info", "feature-icon", "script-id"}


def load(path: Path, settings: Settings) -> Script:
    """Read, preprocess and check the script at ``path``. Raises ScriptError, or OSError where there is none."""
    text = path.read_bytes().decode("utf-8")
    _check_ascii(text)
    dialect = _dialect(text, settings)
    _check_directives(text)
    text = _DIRECTIVE.sub("", text)
    if settings.es5_only:
        check_es5(text)
    return Script(path, text, dialect)


def _check_ascii(text: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.isascii():
            # PixInsight reads UTF-8, but whoever pastes the script elsewhere may not: see pixinsight-pitfalls 21
            raise ScriptError(number, "the script is not plain ASCII")


def _dialect(text: str, settings: Settings) -> Dialect:
    """Return the engine that runs the script."""
    asked = [found[2] for found in _DIRECTIVE.finditer(text) if found[1] == "engine"]
    if asked and text[: text.index("#")].strip():
        raise ScriptError(1, "#engine must stand at the very beginning of the script")
    v8_asked = bool(asked) and asked[0].startswith("v8")
    if v8_asked and settings.version < (1, 9, 4):
        raise ScriptError(1, "SyntaxError: illegal character")  # the worst that older cores may do with the line
    if settings.javascript == "arm" and not v8_asked:
        raise ScriptError(1, "The legacy 'sm' JavaScript engine is not available in this PixInsight build.")
    return "v8" if v8_asked or settings.javascript == "v8" else "sm"


def _check_directives(text: str) -> None:
    for found in _DIRECTIVE.finditer(text):
        if found[1] not in _HARMLESS:
            # A missing #include ends the real program before the first statement; a script should need none.
            raise ScriptError(text.count("\n", 0, found.start()) + 1, f"#{found[1]} is not simulated")


# --- ECMAScript 5 -----------------------------------------------------------------------------------------

_ES5_NODES = {
    "ArrayExpression",
    "AssignmentExpression",
    "BinaryExpression",
    "BlockStatement",
    "BreakStatement",
    "CallExpression",
    "CatchClause",
    "ConditionalExpression",
    "ContinueStatement",
    "DebuggerStatement",
    "DoWhileStatement",
    "EmptyStatement",
    "ExpressionStatement",
    "ForInStatement",
    "ForStatement",
    "FunctionDeclaration",
    "FunctionExpression",
    "Identifier",
    "IfStatement",
    "LabeledStatement",
    "Literal",
    "LogicalExpression",
    "MemberExpression",
    "NewExpression",
    "ObjectExpression",
    "Program",
    "Property",
    "ReturnStatement",
    "SequenceExpression",
    "SwitchCase",
    "SwitchStatement",
    "ThisExpression",
    "ThrowStatement",
    "TryStatement",
    "UnaryExpression",
    "UpdateExpression",
    "VariableDeclaration",
    "VariableDeclarator",
    "WhileStatement",
}  # fmt: skip - a list; WithStatement is left out on purpose


def check_es5(text: str) -> None:
    """Raise ScriptError where ``text`` is not JavaScript, goes beyond ES5, or uses what ES5's strict mode forbids."""
    import esprima  # dear: it makes tables of all characters

    try:
        tree = esprima.parseScript(text, {"loc": True, "tokens": True})
    except esprima.Error as error:
        raise ScriptError(error.lineNumber or 1, f"SyntaxError: {error}") from error
    for node, ancestors in _nodes(tree):
        why = _beyond_es5(node) or _misplaced_function(node, ancestors)
        if why:
            raise ScriptError(node.loc.start.line, f"SyntaxError: {why}")
    _check_tokens(tree.tokens)


def _nodes(tree: Any) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Yield every node of a syntax tree with the kinds of the two nodes around it, the outer one first."""
    from esprima.nodes import Node

    waiting: list[tuple[Any, tuple[str, ...]]] = [(tree, ())]
    while waiting:
        value, ancestors = waiting.pop()
        if isinstance(value, list):
            waiting += [(part, ancestors) for part in value]
        elif isinstance(value, Node):
            yield value, ancestors
            inner = (*ancestors[-1:], value.type)
            waiting += [(part, inner) for name, part in vars(value).items() if name not in {"tokens", "loc"}]


def _beyond_es5(node: Any) -> str | None:
    kind = node.type
    if kind not in _ES5_NODES:
        return f"{kind} is not allowed in ES5"
    if kind == "VariableDeclaration" and node.kind != "var":
        return f"{node.kind} is not allowed in ES5"
    if kind == "Property" and (node.shorthand or node.computed or node.method):
        return "shorthand, computed and method properties are not allowed in ES5"
    if kind.startswith("Function") and (node.generator or node.isAsync):
        return "generators and async functions are not allowed in ES5"
    if kind in {"BinaryExpression", "AssignmentExpression"} and node.operator in {"**", "**="}:
        return "the exponent operator is not allowed in ES5"
    return None


def _misplaced_function(node: Any, ancestors: tuple[str, ...]) -> str | None:
    """In ES5 a function is declared at the top level of the script or of another function."""
    if node.type != "FunctionDeclaration" or ancestors == ("Program",):
        return None
    if ancestors[-1] == "BlockStatement" and ancestors[0].startswith("Function"):
        return None
    return "a function declaration inside a block is not allowed in ES5"


_BAD_NUMBER = re.compile(r"0[0-9bBoO]")


def _check_tokens(tokens: list[Any]) -> None:
    """Refuse what the parser lets through: octal literals, code point escapes, regular expression flags, f(a,)."""
    before = None
    for token in tokens:
        line = token.loc.start.line
        if token.type == "Numeric" and _BAD_NUMBER.match(token.value):
            raise ScriptError(line, "SyntaxError: octal and binary literals are not allowed")
        if token.type == "String" and "\\u{" in token.value:
            raise ScriptError(line, "SyntaxError: malformed Unicode character escape sequence")
        if token.type == "RegularExpression" and set(token.value.rsplit("/", 1)[1]) - set("gim"):
            raise ScriptError(line, "SyntaxError: invalid regular expression flag")
        if before == "," and token.value == ")" and token.type == "Punctuator":
            raise ScriptError(line, "SyntaxError: a trailing comma in an argument list is not allowed in ES5")
        before = token.value if token.type == "Punctuator" else None
