"""What docs/ says of the code, against the code; the tutorials; the site."""

import importlib
import itertools
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from phnet.cli import app

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "phnet"
EQUATIONS = set(range(1, 18))


def rows(page: str, head: str) -> list[list[str]]:
    """The cells of the table under a head line."""
    lines = (DOCS / page).read_text(encoding="utf-8").split(head, 1)[1].splitlines()[2:]
    table = itertools.takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def member(name: str, modules: list[Any]) -> Any:
    """What a dotted name is in the first of the modules that has it."""
    first, *rest = name.split(".")
    found = next((m for m in modules if hasattr(m, first)), None)
    assert found is not None, f"docs/method.md names {name}, which is nowhere"
    thing = getattr(found, first)
    for part in rest:
        assert hasattr(thing, part), f"docs/method.md names {name}: there is no {part}"
        thing = getattr(thing, part)
    return thing


def test_every_equation_is_where_the_method_says() -> None:
    pytest.importorskip("torch", reason="the network is in torch")
    where = ["networks.phnet", "networks.moments", "training.losses", "evaluation.metrics"]
    modules = [importlib.import_module(f"phnet.{name}") for name in where]
    covered: set[int] = set()
    for equations, _, places in rows("method.md", "| equation | what | where |"):
        names = re.findall(r"`([^`]+)`", places)
        assert names, equations
        for name in names:
            if name.endswith(".py"):
                assert any((root / name).is_file() for root in (ROOT, SOURCE)), name
            else:
                member(name, modules)
        if not equations.startswith("section"):
            covered |= {int(number) for number in re.findall(r"\d+", equations)}
    assert covered == EQUATIONS


def commands(group: Any, before: str = "") -> set[str]:
    """The names of all commands, those of groups with the group's name before them."""
    found = set()
    for name, command in group.commands.items():
        inside = hasattr(command, "commands")
        found |= commands(command, f"{name} ") if inside else {before + name}
    return found


def test_every_command_has_its_module() -> None:
    table = rows("developers.md", "| command | module |")
    named = {command.strip("`"): module.strip("`") for command, module in table}
    assert set(named) == commands(typer.main.get_command(app))
    for command, module in named.items():
        path = ROOT / "src" / Path(*module.split("."))
        assert path.with_suffix(".py").is_file() or path.is_dir(), f"{command}: {module}"
        package, _, name = module.rpartition(".")
        imported = re.compile(rf"from {module} import|from {package} import [^\n]*\b{name}\b")
        doors = (ROOT / "src" / "phnet" / "cli").glob("*.py")
        assert any(imported.search(door.read_text(encoding="utf-8")) for door in doors), module


@pytest.mark.slow
@pytest.mark.parametrize("name", ["first_paste", "compare_methods"])
def test_a_tutorial_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"))
    assert capsys.readouterr().out


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="scripts/docs installs it")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    reference = (tmp_path / "command-line.html").read_text(encoding="utf-8")
    assert "--exposure" in reference
    assert "harmonizer.Harmonizer" in (tmp_path / "python.html").read_text(encoding="utf-8")
    assert not list(tmp_path.rglob("*.py"))
