"""The house (CONTRIBUTING.md): a package imports only packages above it, and nothing in a circle.

The rules hold for every import, inside functions and under ``if TYPE_CHECKING`` too.
"""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "phnet"
# Modules of the root and packages, from the ground up.
ORDER = [
    "errors",
    "version",
    "files",
    "options",
    "keywords",
    "networks",
    "images",
    "matting",
    "harmonization",
    "compositing",
    "video",
    "batch",
    "datasets",
    "evaluation",
    "training",
    "export",
    "benchmarks",
    "web",
    "cli",
    "__main__",
]
DATA = {"weights"}  # packages without code
WITH_TORCH = {"networks", "training", "export"}  # and one file:
TORCH_FILE = "phnet.benchmarks.torch_network"
TORCH = {"torch", "lion_pytorch", "tensorboard"}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}
PACKAGES = {path.parent.name: path for path in sorted(SOURCE.glob("*/__init__.py"))}


def package(name: str) -> str:
    """The package, or module of the root, that a module belongs to."""
    return name.split(".")[1]


def has_torch(name: str) -> bool:
    return package(name) in WITH_TORCH or name == TORCH_FILE


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
        elif everywhere or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            if not everywhere and isinstance(child, ast.If) and is_for_types_alone(child):
                continue
            found |= imports(child, everywhere)
    return found


def is_for_types_alone(node: ast.If) -> bool:
    return "TYPE_CHECKING" in ast.unparse(node.test)


def imported(name: str, everywhere: bool = True) -> set[str]:
    return imports(ast.parse(MODULES[name].read_text(encoding="utf-8")), everywhere)


def own(names: set[str]) -> set[str]:
    """Those of our modules that are not the root, which knows all by name and imports none."""
    return {name for name in names if name.startswith("phnet.")}


def test_everything_in_the_root_has_its_place_in_the_order() -> None:
    modules = {path.stem for path in SOURCE.glob("*.py")} - {"__init__"}
    # What an interpreter or another branch left behind is no package.
    files = [path.relative_to(SOURCE) for path in SOURCE.glob("*/**/*") if path.is_file()]
    folders = {path.parts[0] for path in files if "__pycache__" not in path.parts}
    assert modules | folders == set(ORDER) | DATA
    assert folders - DATA == set(PACKAGES)
    assert len(modules - {"__main__"}) <= 5
    assert len(folders) <= 15
    assert not [path for name in DATA for path in (SOURCE / name).rglob("*.py")]


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"phnet"}))
def test_a_package_imports_only_packages_above_it(name: str) -> None:
    place = ORDER.index(package(name))
    later = sorted(other for other in own(imported(name)) if ORDER.index(package(other)) > place)
    assert not later, f"{name} imports {', '.join(later)}, which the order has after it"


def test_there_is_no_circle_between_modules() -> None:
    graph = {name: imported(name) & set(MODULES) - {name, "phnet"} for name in MODULES}
    del graph["phnet"]
    # A command module takes `app` from its package, which imports the commands below it.
    for name in graph:
        graph[name] -= {"phnet.cli"}
    while graph:
        leaves = {name for name, used in graph.items() if not used}
        assert leaves, f"a circle among {', '.join(sorted(graph))}"
        graph = {name: used - leaves for name, used in graph.items() if name not in leaves}


def test_a_package_with_one_face_is_not_imported_by_its_own_modules() -> None:
    for name in MODULES:
        parent = f"phnet.{package(name)}" if name != "phnet" else "phnet"
        if parent not in (name, "phnet", "phnet.cli"):
            assert parent not in imported(name), f"{name} imports its own package"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_torch_is_imported_where_networks_are_trained_and_exported_alone(name: str) -> None:
    if name == "phnet" or not has_torch(name):
        assert not {other.split(".")[0] for other in imported(name)} & TORCH
        # Commands ask for what needs torch when they run; nothing else does.
        if not name.startswith("phnet.cli."):
            assert not [other for other in own(imported(name)) if has_torch(other)]


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.startswith("phnet.cli.")))
def test_a_command_imports_packages_when_it_runs(name: str) -> None:
    used = own(imported(name, everywhere=False))
    packages = {package(other) for other in used} - {"cli"}
    assert not packages & set(PACKAGES), f"{name} imports {packages} before it is called"


@pytest.mark.parametrize(
    "statement",
    [
        "import phnet",
        "import phnet.images, phnet.cli",
        "from phnet.cli import app; app(['--help'])",
    ],
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


def test_the_table_of_the_house_has_the_packages_own_first_lines() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", text, flags=re.MULTILINE)
    places = [name for name in ORDER if name != "__main__"] + sorted(DATA)
    assert [name for name, _ in rows] == places
    for name, sentence in rows:
        if name not in DATA:
            path = PACKAGES.get(name, SOURCE / f"{name}.py")
            docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            first = docstring.splitlines()[0].replace("``", "`")
            assert sentence == first, f"CONTRIBUTING.md on {name}"


def test_the_pages_modules_import_in_no_circle() -> None:
    folder = ROOT / "src" / "phnet" / "web" / "page"
    wanted = re.compile(r'^(?:import|\}) .*from "\./([\w-]+\.js)"', re.MULTILINE)
    graph = {
        path.name: {name for name in wanted.findall(path.read_text()) if (folder / name).exists()}
        for path in folder.glob("*.js")
    }
    assert graph["page.js"] > {"intake.js", "stage.js"}
    list(TopologicalSorter(graph).static_order())  # CycleError where there is one
