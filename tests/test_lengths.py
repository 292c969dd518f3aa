"""The house's lengths: no function over 60 lines outside networks, no file over 400."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LONGEST_FILE = 400
LONGEST_FUNCTION = 60  # lines, with signature and docstring, without decorators
FOLDERS = ("src", "tests", "scripts", "examples", "integrations", "docs")
OTHERS = ("node_modules", "__pycache__", "vendor", "runs", "out", "build", "dist")


def is_python(path: Path) -> bool:
    """Whether a file is Python, by its name or, where that says nothing, by its first line."""
    if path.suffix:
        return path.suffix == ".py"
    first = path.read_bytes()[:60].split(b"\n")[0]
    return first.startswith(b"#!") and b"python" in first


def ours() -> Iterator[Path]:
    """Python and JavaScript files that were written here."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            parts = path.relative_to(ROOT).parts
            if not path.is_file() or any(part in OTHERS or part[0] == "." for part in parts):
                continue
            if path.suffix in (".js", ".mjs") or is_python(path):
                yield path


OURS = list(ours())


def test_files_are_found() -> None:
    names = {path.name for path in OURS}
    assert {"options.py", "stage.js", "test_lengths.py", "check_gimp.py"} <= names


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_too_long(path: Path) -> None:
    count = len(path.read_text(encoding="utf-8").splitlines())
    assert count <= LONGEST_FILE, f"{path.relative_to(ROOT)}: {count} lines"


@pytest.mark.parametrize(
    "path",
    [path for path in OURS if path.suffix not in (".js", ".mjs")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_function_is_too_long(path: Path) -> None:
    if path.is_relative_to(ROOT / "src" / "phnet" / "networks"):
        return  # the paper's network reads best in one piece
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            count = node.end_lineno - node.lineno + 1
            assert count <= LONGEST_FUNCTION, f"{path.relative_to(ROOT)}: {node.name}, {count}"
