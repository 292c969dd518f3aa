"""What is given away: the source distribution is whole, and NOTICE names what others made."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

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
