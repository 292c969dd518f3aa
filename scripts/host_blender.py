"""The extension in Blender 5.0.1, as the package bpy has it, against the command line."""

import os
import shutil

import host

NEEDS = [["install", "--quiet", "bpy==5.0.1"]]


def main() -> None:
    """Install, run the operator on the example, compare pixels."""
    work, python = host.folder("blender"), host.phnet().python
    environment = host.Environment(work / "venv")
    environment.once("blender", NEEDS)
    before = environment.packages()
    extensions = work / "extensions"
    shutil.rmtree(extensions, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(host.ROOT / "integrations" / "blender", extensions, ignore=ignored)
    host.example(python, work)
    test = host.ROOT / "scripts" / "check_blender.py"
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    clean["PHNET"] = str(python.parent / "phnet")
    said = host.run(environment.python, test, extensions, work, env=clean)
    (work / "host.log").write_text(said)
    lines = [line for line in said.splitlines() if line.startswith("check: ")]
    print("\n".join(lines))
    if not lines or lines[-1] != "check: all passed":
        raise RuntimeError(f"expected all checks to pass:\n{said[-3000:]}")
    if environment.packages() != before:
        raise RuntimeError("expected Blender's packages to stay as they are, but they changed")


if __name__ == "__main__":
    main()
