"""Many composites: worked on one by one, and accounted for; or listed in a manifest.

The work on one file is handed in as a worker, so that this module knows nothing of options.
A file that fails is noted, and the others go on. Instead of folders (see
:mod:`phnet.batch.matching`) a manifest can list what there is to do: JSON lines, one a composite::

    {"composite": "in/a.jpg", "mask": "masks/a.png", "output": "part0/a.jpg"}

Relative paths start at the manifest's folder. Without "mask" the person is found; without
"output" the result is called as the composite. An output is relative to the folder of results.
"""

import json
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any, Literal

from phnet.batch.executors import ENGINES, Record, Settings, Worker
from phnet.batch.matching import Item, result_name
from phnet.errors import BadInput, BadOutput
from phnet.files import json_of, sweep, write_text

MANIFEST = "manifest.jsonl"

State = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class Outcome:
    """Result of one item."""

    item: Item
    state: State
    sentence: str = ""  # why it failed
    notes: Sequence[str] = ()  # warnings, a sentence each


@dataclass
class Summary:
    """Results of a folder, counted."""

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


def read_manifest(manifest: Path, output: Path) -> list[Item]:
    """Read a manifest (see the module) of results to write below ``output``.

    A line that asks for a place outside that folder, or for one that an earlier line has taken,
    is an item with a problem.

    Raises:
        BadInput: it cannot be read, holds nothing, or a line is not such an object.
        BadOutput: results would land among what is read.
    """
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise BadInput(f"{manifest}: expected a manifest of JSON lines, but {reason}") from error
    items: list[Item] = []
    taken: set[Path] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        composite, mask, wanted = _entry(line, f"{manifest}, line {number}")
        place = manifest.parent / composite
        name = wanted or result_name(place)
        problem = None
        if not _is_below(name):
            problem = f"{place}: expected an output inside {output}, got {name}"
        elif astray := _astray(output, name):
            problem = f"{place}: {astray}"
        elif output / name in taken:
            problem = f"{place}: expected an output of its own, but {name} is taken by an earlier"
        taken.add(output / name)
        mask_place = manifest.parent / mask if mask else None
        items.append(Item(place, mask_place, output / name, problem))
    if not items:
        raise BadInput(f"{manifest}: expected a manifest of JSON lines, but it is empty")
    read = {path.parent for item in items for path in (item.composite, item.mask) if path}
    written = {item.output.parent for item in items if not item.problem}
    shared = {folder.resolve() for folder in read} & {folder.resolve() for folder in written}
    if shared:
        raise BadOutput(f"{min(shared)}: expected another folder than those that are read")
    return items


def _is_below(name: str) -> bool:
    """Tell whether a name stays in its folder, on any system."""
    path = PureWindowsPath(name)  # knows / and \\, drives and roots
    return bool(path.name) and not (path.drive or path.root or ".." in path.parts)


def _astray(output: Path, name: str) -> str | None:
    """A sentence where links lead a result out of the folder of results, or its name cannot be."""
    try:
        place = (output / name).resolve()
        if any(part.is_symlink() for part in (place, *place.parents)):  # Python 3.13 raises nothing
            raise RuntimeError
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its links lead in a circle"
        return f"{output / name}: expected a place to write to, but {reason}"
    if place.is_relative_to(output.resolve()):
        return None
    return f"{output / name}: expected an output inside {output}, but a link leads to {place}"


def _entry(line: str, where: str) -> tuple[str, str | None, str | None]:
    expected = f'{where}: expected {{"composite": "PATH", "mask": "PATH", "output": "PATH"}}'
    try:
        entry = json_of(line)
    except ValueError as error:
        raise BadInput(f"{expected}, but {error}") from error
    if not isinstance(entry, dict) or not entry.get("composite"):
        raise BadInput(f"{expected}, got {line[:80]}")
    values = [entry.get(key) for key in ("composite", "mask", "output")]
    if not all(value is None or isinstance(value, str) for value in values):
        raise BadInput(f"{expected}, got {line[:80]}")
    return entry["composite"], entry.get("mask"), entry.get("output")


def write_manifest(items: Sequence[Item], output: Path) -> Path:
    """List in OUTPUT/manifest.jsonl what can be worked on, as :func:`read_manifest` reads it."""
    lines = [
        {
            "composite": str(item.composite.resolve()),
            "mask": None if item.mask is None else str(item.mask.resolve()),
            "output": item.output.relative_to(output).as_posix(),
        }
        for item in items
        if item.problem is None
    ]
    path = output / MANIFEST
    write_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return path


def work_through(
    items: Sequence[Item],
    make: Callable[[Settings], Worker],
    settings: Settings,
    *,
    engine: str = "threads",
    jobs: int = 1,
    threads: int = 1,
    resume: bool = False,
) -> Generator[Outcome]:
    """Work on each item; yield outcomes as they come.

    Args:
        items: what to do.
        make: makes a worker such as :class:`phnet.batch.file_worker.FileWorker` from ``settings``:
            it is called with "composite", "mask" and "output", and returns "notes" or "failed".
        settings: what the worker is made from.
        engine: what runs the workers, see :mod:`phnet.batch.executors`.
        jobs: how many items at once.
        threads: CPU threads of each worker.
        resume: skip items whose output exists (files are written whole or not at all), and
            remove the temporary files that a killed run left of them.
    """
    if resume:
        sweep(item.output for item in items if not item.problem)
    tasks: list[Record] = []
    for number, item in enumerate(items):
        if item.problem:
            yield Outcome(item, "failed", item.problem)
        elif resume and os.path.isfile(item.output):  # noqa: PTH113 (raises nothing)
            yield Outcome(item, "skipped")
        else:
            tasks.append(_task(item, number))
    with closing(ENGINES[engine](make, settings, tasks, jobs, threads)) as records:
        for record in records:
            item = items[record["number"]]
            if "failed" in record:
                yield Outcome(item, "failed", record["failed"])
            else:
                yield Outcome(item, "done", notes=record["notes"])
    if engine == "ray":  # which goes on without an actor that was killed while it wrote
        sweep(Path(task["output"]) for task in tasks)


def _task(item: Item, number: int) -> Record:
    return {
        "number": number,
        "composite": str(item.composite),
        "mask": None if item.mask is None else str(item.mask),
        "background": None if item.background is None else str(item.background),
        "output": str(item.output),
    }
