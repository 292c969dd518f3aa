"""Folders on the command line: worked through with a progress bar, told of at the end."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from phnet.cli.options import with_flags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from phnet.batch.executors import Worker
    from phnet.batch.file_worker import Settings
    from phnet.batch.folders import Outcome, Summary
    from phnet.batch.matching import Item

Jobs = Annotated[int, typer.Option(min=1, help="Of a folder: pictures at once.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Of a folder: skip pictures that are written already.")
]
Recursive = Annotated[
    bool,
    typer.Option("--recursive", help="Of a folder: also those inside it, mirrored in the output."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Of a folder: print a summary as JSON.")]


def note(sentence: str) -> None:
    """Print a warning on standard error."""
    print(f"phnet: note: {with_flags(sentence)}", file=sys.stderr)


def finds_people(items: "Sequence[Item]") -> bool:
    """Tell whether some have no mask."""
    return any(item.mask is None and not item.problem for item in items)


def work(
    items: "Sequence[Item]",
    make: "Callable[[Any], Worker]",
    settings: "Settings",
    output: Path,
    done: str,
    *,
    engine: str = "threads",
    jobs: int = 1,
    resume: bool = False,
    as_json: bool = False,
) -> None:
    """Work on each item, and print what came of it; exit code 1 if any failed.

    Args:
        items: as all others, see :func:`phnet.batch.folders.work_through`.
        make: see there.
        settings: see there.
        output: the folder of results, for sentences.
        done: what became of those that did not fail.
        engine: see there.
        jobs: see there.
        resume: see there.
        as_json: print the summary as JSON.
    """
    import json

    from phnet.batch.folders import Summary, work_through

    summary = Summary()
    outcomes = work_through(
        items,
        make,
        settings,
        engine=engine,
        jobs=jobs,
        threads=settings.threads or 1,
        resume=resume,
    )
    _follow(outcomes, len(items), summary, done.capitalize())
    for failure in sorted(summary.failed, key=lambda outcome: str(outcome.item.composite)):
        print(f"phnet: {with_flags(failure.sentence)}", file=sys.stderr)
    if as_json:
        print(json.dumps({"output": str(output), **summary.as_json()}, indent=2))
    else:
        skipped = f", {summary.skipped} skipped" if summary.skipped else ""
        print(f"{output}: {summary.done} {done}{skipped}, {len(summary.failed)} failed")
    if summary.failed:
        raise typer.Exit(1)


def _follow(outcomes: "Iterable[Outcome]", count: int, summary: "Summary", title: str) -> None:
    """Count outcomes as they come, with a progress bar where a person watches."""
    from contextlib import redirect_stdout

    from rich.console import Console
    from rich.progress import track

    from phnet.harmonization.harmonize_picture import FOUND

    console = Console(stderr=True)
    with redirect_stdout(sys.stderr):  # Ray tells of lost actors on standard output
        for outcome in track(
            outcomes, title, count, console=console, disable=not console.is_terminal
        ):
            summary.add(outcome)
            for sentence in outcome.notes:
                if not sentence.endswith(FOUND):  # which is said once, of all
                    words = f"phnet: note: {with_flags(sentence)}"
                    console.print(words, markup=False, highlight=False, soft_wrap=True)
