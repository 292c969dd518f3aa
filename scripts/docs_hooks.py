"""What the site of docs/ has besides the files there; mkdocs.yml names this file.

The command line's reference comes from the commands, the tutorials from the scripts that the tests
run, the changelog and the pictures from where they lie. Links out of docs/ become paths in the
repository, since the site has no such pages.
"""

import os
import re
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

ROOT = Path(__file__).resolve().parent.parent
TUTORIALS = ("first_paste", "compare_methods")
PICTURES = ("before_after.jpg", "composite.jpg")
OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./(?!assets/)([^)#]+)(#[^)]*)?\)")
OPTION = re.compile(r"<(int range|float range)>")
ROLE = re.compile(r":(?:meth|class|func|mod|data|attr):(?=<code>)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    made: dict[str, str | bytes] = {
        "command-line.md": command_line(),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    }
    for name in TUTORIALS:
        source = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
        made[f"tutorials/{name}.md"] = tutorial(source, f"examples/{name}.py")
    for name in PICTURES:
        made[f"assets/{name}"] = (ROOT / "examples" / name).read_bytes()
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Name a file of the repository that is no page instead of linking to it."""
    return OUTSIDE.sub(lambda found: f"{found[1]} (`{found[2]}`)", markdown)


def command_line() -> str:
    """Every command's help, as Markdown."""
    os.environ["COLUMNS"] = "200"
    from phnet.cli import app

    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="phnet")
    text = get_docs_for_click(obj=command, ctx=context, name="phnet")
    return OPTION.sub("<number>", text).replace("# `phnet`", "# Command line", 1)


def tutorial(source: str, path: str) -> str:
    """A script in cells (``# %%`` code, ``# %% [markdown]`` prose) as a page."""
    parts = [f"*This page is the script `{path}`; the tests run it.*\n"]
    for cell in re.split(r"^# %%", source, flags=re.MULTILINE)[1:]:
        head, _, body = cell.partition("\n")
        if "[markdown]" in head:
            parts.append(re.sub(r"^# ?", "", body, flags=re.MULTILINE).strip() + "\n")
        elif body.strip():
            parts.append(f"```python\n{body.strip()}\n```\n")
    title, *rest = parts[1:]
    return "\n".join([title, parts[0], *rest])


def on_page_content(html: str, **_: Any) -> str:
    """Drop the roles of reStructuredText that docstrings have, which Markdown does not know."""
    return ROLE.sub("", html)
