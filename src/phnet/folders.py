"""Folders of composites: matched with their masks, worked on one by one, accounted for.

The work on one file is handed in as a function, so that this module knows nothing of options.
A file that fails is noted, and the others go on.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from phnet.errors import BadInput, BadOutput, PHNetError

logger = logging.getLogger(__name__)

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif"})
WRITTEN = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"})
AHEAD = 2  # files handed out ahead, a job

State = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class Item:
    """A composite, its mask and the place of the result."""

    composite: Path
    mask: Path | None  # None: the person is to be found
    output: Path
    problem: str | None = None  # why it cannot even be begun, one sentence


@dataclass(frozen=True)
class Outcome:
    """What became of an item."""

    item: Item
    state: State
    sentence: str = ""  # why it failed
    notes: Sequence[str] = ()  # what a person should know


@dataclass
class Summary:
    """What became of a folder."""

    done: int = 0
    skipped: int = 0
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        if outcome.state == "failed":
            self.failed.append(outcome)
        elif outcome.state == "skipped":
            self.skipped += 1
        else:
            self.done += 1

    def as_json(self) -> dict[str, Any]:
        """The summary that ``--json`` prints."""
        failures = sorted(self.failed, key=lambda outcome: str(outcome.item.composite))
        return {
            "done": self.done,
            "skipped": self.skipped,
            "failed": len(failures),
            "failures": [
                {"composite": str(f.item.composite), "error": f.sentence} for f in failures
            ],
        }


def pictures(folder: Path) -> dict[str, list[Path]]:
    """The pictures of a folder by their stem, sorted; hidden files and folders do not count."""
    found: dict[str, list[Path]] = {}
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInput(f"{folder}: expected a folder of pictures, but {reason}") from error
    for name in names:
        path = folder / name
        if path.suffix.lower() in PICTURES and not name.startswith("."):
            found.setdefault(path.stem, []).append(path)
    return found


def match(composites: Path, masks: Path | None, output: Path) -> list[Item]:
    """Match composites and masks by their stem.

    A composite without a mask, or with several, is an item with a problem. Results keep the
    composite's name; kinds of file that are not written become PNG.

    Raises:
        BadInput: a folder is missing or holds no pictures.
        BadOutput: results would land among what is read.
    """
    inputs = [composites] if masks is None else [composites, masks]
    if output.exists() and any(output.resolve() == folder.resolve() for folder in inputs):
        raise BadOutput(f"{output}: expected another folder than those that are read")
    found = pictures(composites)
    if not found:
        raise BadInput(f"{composites}: expected pictures in this folder, found none")
    known = None if masks is None else pictures(masks)
    items: list[Item] = []
    for stem, paths in found.items():
        fitting = [] if known is None else known.get(stem, [])
        problem = None
        if known is not None and len(fitting) != 1:
            several = ", ".join(path.name for path in fitting)
            problem = (
                f"{paths[0]}: expected one mask {stem}.* in {masks}, found {several or 'none'}"
            )
        elif len(paths) > 1:
            several = ", ".join(path.name for path in paths)
            problem = f"{paths[0]}: expected one composite of this name, found {several}"
        written = paths[0].suffix if paths[0].suffix.lower() in WRITTEN else ".png"
        mask = fitting[0] if fitting else None
        items.append(Item(paths[0], mask, output / (stem + written), problem))
    return items


def work_through(
    items: Sequence[Item],
    work: Callable[[Item], Sequence[str]],
    jobs: int = 1,
    resume: bool = False,
) -> Iterator[Outcome]:
    """Work on each item with ``jobs`` threads; yield outcomes as they come.

    Args:
        items: what to do.
        work: harmonizes one item and returns notes; raises PHNetError where it cannot. Must be
            safe from several threads.
        jobs: how many items at once.
        resume: skip items whose output exists (files are written whole or not at all).
    """

    def outcome(item: Item) -> Outcome:
        if resume and item.output.is_file():
            return Outcome(item, "skipped")
        if item.problem:
            return Outcome(item, "failed", item.problem)
        try:
            return Outcome(item, "done", notes=work(item))
        except PHNetError as error:
            return Outcome(item, "failed", str(error))
        except Exception as error:  # one picture, whatever is wrong with it, stops no other
            logger.exception("%s", item.composite)
            return Outcome(item, "failed", f"{item.composite}: {type(error).__name__}: {error}")

    waiting = iter(items)
    with ThreadPoolExecutor(jobs) as pool:
        # Few at a time: a million futures would be a million results in memory.
        pending: set[Future[Outcome]] = {
            pool.submit(outcome, item) for item in islice(waiting, jobs * AHEAD)
        }
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                pending |= {pool.submit(outcome, item) for item in islice(waiting, len(done))}
                for future in done:
                    yield future.result()
        finally:
            for future in pending:
                future.cancel()
