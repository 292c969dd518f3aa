"""The house's words: how docstrings begin, whose options messages name, where types have names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "phnet"
FILES = sorted(SOURCE.rglob("*.py"))
QUESTIONS = re.compile(r"(What|How|Where|Whether|Which|Who|Why|When|Whatever)\b")
FLAG = re.compile(r"(?<![\w-])--[a-z]")
DESCRIBES_THE_COMMAND = {"web/app.py"}  # OpenAPI, which tells whose token is asked for


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def described(tree: ast.Module) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node  # type: ignore[misc]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_docstring_begins_with_what_a_thing_is_or_does(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = [ast.get_docstring(node) or "" for node in described(tree)]
    assert [text.splitlines()[0] for text in texts if QUESTIONS.match(text)] == []


@pytest.mark.parametrize("path", [p for p in FILES if p.parent.name != "cli"], ids=name_of)
def test_the_library_names_no_flag_of_the_command_line(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in described(tree)
        if node.body and isinstance(node.body[0], ast.Expr)
    }
    said = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in docstrings and FLAG.search(node.value)
    ]
    if name_of(path) in DESCRIBES_THE_COMMAND | {"options.py"}:
        said = [text for text in said if not text.startswith(("--", "The token of phnet serve"))]
    said = [text for text in said if not text.startswith("<!doctype html>")]  # variables of CSS
    assert said == []


def test_types_of_arrays_have_their_names_in_one_module() -> None:
    places = [
        f"{name_of(path)}: {ast.unparse(node)}"
        for path in FILES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("npt.NDArray")
    ]
    assert places
    assert {place.partition(":")[0] for place in places} == {"images/arrays.py"}


def test_rounding_to_bytes_is_written_once() -> None:
    spelled = re.compile(r"np\.rint\((np\.clip\()?[^*]*\* 255\)(, np\.uint8|\.astype\(np\.uint8)")
    places = [name_of(p) for p in FILES if spelled.search(p.read_text(encoding="utf-8"))]
    assert places == ["images/arrays.py"]
