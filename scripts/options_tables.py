"""Write the tables of docs/options.md from the classes of options and from the doors themselves.

    python scripts/options_tables.py          # writes them
    python scripts/options_tables.py --check  # exit code 1 if they are not those in the page

A table stands between two comments, which name it.
"""

import ast
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typer.main import get_command

from phnet.cli import app
from phnet.options import (
    Checked,
    ComposeOptions,
    HarmonizeOptions,
    LiveOptions,
    LookOptions,
    NetworkOptions,
    options_of,
)

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "options.md"
KINDS = {
    "harmonize": HarmonizeOptions,
    "compose": ComposeOptions,
    "live": LiveOptions,
    "networks": NetworkOptions,
}


def table(kind: type[Checked]) -> str:
    """The options of a class as a table in Markdown."""
    lines = ["| option | values | default | meaning |", "|---|---|---|---|"]
    for one in options_of(kind):
        default = one.about.unset if one.default is None else f"`{one.default}`"
        lines.append(f"| `{one.name}` | {one.expected} | {default} | {one.about.help} |")
    return "\n".join(lines) + "\n"


# -- the doors ------------------------------------------------------------------------------


def doors(command: str, kind: type[Checked]) -> Mapping[str, set[str]]:
    """Names of the options that each door to ``command`` offers, read off the doors' own code."""
    from phnet.web import forms
    from phnet.web.page import shown_controls

    commands: Any = get_command(app)
    fields = {"harmonize": forms.HARMONIZE, "compose": forms.COMPOSE}[command]
    known = {one.name for one in options_of(kind)}
    nodes = (ROOT / "integrations" / "comfyui" / "nodes.py").read_text(encoding="utf-8")
    assert "options_of(LookOptions)" in nodes
    found = {
        "command line": {one.name for one in commands.commands[command].params},
        "Python": known,
        "API": set(fields.model.model_fields),
        "page": {one["name"] for one in shown_controls() if command in one["modes"]},
        "ComfyUI": {one.name for one in options_of(LookOptions) if one.about.step or one.choices},
    }
    if command == "harmonize":
        found["GIMP"] = _of_gimp()
    else:
        found["page"] |= {"place"}  # by dragging
        found["video, live"] = {one.name for one in commands.commands["live"].params}
    return {door: names & known for door, names in found.items()}


def _of_gimp() -> set[str]:
    """Names that the plug-in asks for; GIMP's modules, which it imports, are not here."""
    path = ROOT / "integrations" / "gimp" / "phnet-harmonize" / "phnet-harmonize.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NUMBERS":
            return {row[0] for row in ast.literal_eval(node.value)} | {"lift"}
    raise ValueError(f"{path}: expected NUMBERS")


def door_table(command: str) -> str:
    """Which door offers which option of ``command``, as a table in Markdown."""
    kind = KINDS[command]
    found = doors(command, kind)
    lines = [f"| option | {' | '.join(found)} |", "|---" * (1 + len(found)) + "|"]
    for one in options_of(kind):
        marks = ("yes" if one.name in names else "" for names in found.values())
        lines.append(f"| `{one.name}` | {' | '.join(marks)} |")
    return "\n".join(lines) + "\n"


def written(text: str) -> str:
    """The page's text, with each table as it is now."""
    made = {f"options of {name}": table(kind) for name, kind in KINDS.items()}
    made |= {f"doors of {name}": door_table(name) for name in ("harmonize", "compose")}
    for name, new in made.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        pattern = re.escape(begin) + ".*?" + re.escape(end)
        text, count = re.subn(pattern, lambda _: f"{begin}\n{new}\n{end}", text, flags=re.DOTALL)  # noqa: B023
        if count != 1:
            raise ValueError(f"{PAGE}: expected one place for the {name}, got {count}")
    return text


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    before = PAGE.read_text(encoding="utf-8")
    after = written(before)
    if "--check" in arguments:
        return int(before != after)
    PAGE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
