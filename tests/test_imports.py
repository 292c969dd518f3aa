"""The floors of the house (CONTRIBUTING.md): a file imports its own floor or lower, never a cycle.

The rule holds for imports that run when a module is imported, and inside functions too; only what
stands under ``if TYPE_CHECKING`` is free.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "phnet"
# Every module belongs to one floor: the longest name here that it begins with.
FLOORS = {
    "phnet.version": 0,
    "phnet.errors": 0,
    "phnet.files": 0,
    "phnet.pixels": 0,
    "phnet.profiles": 0,
    "phnet.decoding": 0,
    "phnet.saving": 0,
    "phnet.image": 0,
    "phnet.engines": 1,
    "phnet.onefile": 1,
    "phnet.metrics": 1,
    "phnet.checks": 1,
    "phnet.colourmaps": 1,
    "phnet.transfer": 1,
    "phnet.harmonizer": 1,
    "phnet.lift": 1,
    "phnet.localfit": 1,
    "phnet.lut": 1,
    "phnet.smallpair": 1,
    "phnet.strips": 1,
    "phnet.matte": 1,
    "phnet.composer": 1,
    "phnet.foreground": 1,
    "phnet.placing": 1,
    "phnet.video": 1,
    "phnet.videofile": 1,
    "phnet.stream": 1,
    "phnet.steady": 1,
    "phnet.data": 2,
    "phnet.benchmark": 2,
    "phnet.clips": 2,
    "phnet.evaluation": 2,
    "phnet.folders": 2,
    "phnet.idealpairs": 2,
    "phnet.mattescores": 2,
    "phnet.shapes": 2,
    "phnet.figures": 2,
    "phnet.gallery": 2,
    "phnet.graphs": 2,
    "phnet.published": 2,
    "phnet.report": 2,
    "phnet.learn": 3,
    "phnet.__main__": 4,
    "phnet.cli": 4,
    "phnet.web": 4,
}
ONLY_IN_THE_WORKSHOP = {"torch", "lion_pytorch", "tensorboard"}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


def floor(name: str) -> int:
    homes = [home for home in FLOORS if name == home or name.startswith(home + ".")]
    assert homes, f"{name}: expected a floor in tests/test_imports.py, found none"
    return FLOORS[max(homes, key=len)]


def is_for_types_alone(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(node: ast.AST, everywhere: bool) -> set[str]:
    """Names of the modules that a piece of source imports; ``everywhere``: in functions too."""
    found: set[str] = set()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            found |= {alias.name for alias in child.names}
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "expected absolute imports"
            parent = child.module or ""
            names = {f"{parent}.{alias.name}" for alias in child.names}
            found |= {name if name in MODULES else parent for name in names}
        elif is_for_types_alone(child):
            continue
        elif everywhere or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            found |= imports(child, everywhere)
    return found


def imported(name: str, everywhere: bool) -> set[str]:
    return imports(ast.parse(MODULES[name].read_text(encoding="utf-8")), everywhere)


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"phnet"}))
def test_a_file_imports_its_own_floor_or_lower(name: str) -> None:
    used = {other for other in imported(name, everywhere=True) if other.startswith("phnet.")}
    higher = sorted(other for other in used if floor(other) > floor(name))
    assert not higher, f"{name} (floor {floor(name)}) imports {', '.join(higher)} from above"


def test_there_is_no_cycle_when_modules_are_imported() -> None:
    graph = {name: imported(name, everywhere=False) & set(MODULES) - {name} for name in MODULES}
    # A command module takes `app` from its package, which imports the commands below it.
    for name in graph:
        graph[name] -= {"phnet", "phnet.cli"}
    while graph:
        leaves = {name for name, used in graph.items() if not used}
        assert leaves, f"a cycle among {', '.join(sorted(graph))}"
        graph = {name: used - leaves for name, used in graph.items() if name not in leaves}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_torch_is_imported_in_the_workshop_alone(name: str) -> None:
    if not name.startswith("phnet.learn"):
        roots = {other.split(".")[0] for other in imported(name, everywhere=True)}
        assert not roots & ONLY_IN_THE_WORKSHOP


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.startswith("phnet.cli.")))
def test_a_door_imports_its_rooms_inside_the_command(name: str) -> None:
    used = {other for other in imported(name, everywhere=False) if other.startswith("phnet")}
    assert all(other.startswith("phnet.cli") or floor(other) == 0 for other in used), used


@pytest.mark.parametrize(
    "statement",
    ["import phnet", "import phnet.image, phnet.cli", "from phnet.cli import app; app(['--help'])"],
)
def test_what_must_be_quick_loads_neither_torch_nor_onnxruntime(statement: str) -> None:
    script = (
        "import sys\n"
        f"try:\n    {statement}\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'onnxruntime', 'ray', 'av', 'fastapi'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]", result.stdout
