"""What is given away: the source distribution is whole, and NOTICE names what others made."""

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from phnet.version import __version__

ROOT = Path(__file__).parents[1]
TEXTS = {".py", ".toml", ".html", ".css", ".js", ".typed"}
FOLDERS = {"tests", "scripts", "docs", "recipes", "examples", ".ci", "weights", "src/phnet"}
FOLDERS |= {".github", "integrations"}
FILES = {
    "NOTICE",
    "LICENSE",
    "pyproject.toml",
    "README.md",
    "SECURITY.md",
    "mkdocs.yml",
    "Dockerfile",
}


def own_files(folder: Path) -> set[Path]:
    return {
        path.relative_to(ROOT)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }


def test_notice_names_every_binary_in_the_package() -> None:
    notice = (ROOT / "NOTICE").read_text("utf-8")
    binaries = {path for path in own_files(ROOT / "src" / "phnet") if path.suffix not in TEXTS}
    assert len(binaries) >= 4
    assert [str(path) for path in binaries if path.as_posix() not in notice] == []


def test_the_runtimes_licences_lie_beside_it_and_notice_has_its_version() -> None:
    with tarfile.open(ROOT / "src" / "phnet" / "web" / "onnxruntime-web.tar.xz") as archive:
        names = archive.getnames()
        script = archive.extractfile("ort.wasm.bundle.min.js")
        assert script is not None
        version = script.read(80).decode().split("Web v")[1].split()[0]
    assert {"onnxruntime-LICENSE", "onnxruntime-ThirdPartyNotices.txt"} <= set(names)
    assert f"onnxruntime-web {version}" in (ROOT / "NOTICE").read_text("utf-8")


@pytest.mark.slow
def test_the_source_distribution_holds_all_files(tmp_path: Path) -> None:
    build = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    command = [sys.executable, "-c", build, str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (made,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(made) as archive:
        held = {Path(*Path(name).parts[1:]) for name in archive.getnames()}
    wanted = set().union(*(own_files(ROOT / folder) for folder in FOLDERS))
    assert sorted(map(str, wanted - held)) == []
    assert {Path(name) for name in FILES} <= held


def test_all_places_say_the_version_that_would_be_released() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "release"), "--check", "--tag"]
    checked = subprocess.run([*command, f"v{__version__}", "none"], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")
    other = subprocess.run([*command, "v9.9.9", "none"], capture_output=True, text=True)
    assert other.returncode == 1
    assert "the tag: expected" in other.stderr


def test_workflows_pin_their_actions_and_run_files_that_exist() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        workflow = yaml.safe_load(path.read_text("utf-8"))
        assert workflow["permissions"] == {}, path.name
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                if "uses" in step:
                    assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"]), step["uses"]
                    continue
                named = [word for word in step["run"].split() if "/" in word and "*" not in word]
                scripts = [word for word in named if word.startswith(("scripts/", ".ci/"))]
                assert all((ROOT / word).is_file() for word in scripts), step["run"]
    matrix = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8"))
    chosen = matrix["jobs"]["systems"]["strategy"]["matrix"]
    assert [name.split("-")[0] for name in chosen["os"]] == ["ubuntu", "macos", "windows"]
    assert chosen["python"] == ["3.11", "3.12", "3.13"]
