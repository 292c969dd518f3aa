"""Build FFHQH (section 3.2) from a folder of portraits.

::

    DIR/real/NAME.png, comp/NAME.png, alpha/NAME.png    photo, composite, soft mask
    DIR/train_split.txt, val_split.txt, test_split.txt  NAME.png, one a line
    DIR/manifest.jsonl                                  one line an image: what made it
    DIR/rejected.jsonl                                  one line a photo left out, and why
    DIR/build.json                                      the options, so that a run can go on

An image depends on the photo's bytes, the seed and the options alone, so that any number of
workers in any order gives the same bytes. What is finished is noted in ``journal.jsonl``; an
interrupted build goes on from there, and a finished one has no journal.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from phnet.batch.executors import run_processes, run_ray
from phnet.datasets import near_duplicates
from phnet.datasets.photo_list import plan
from phnet.datasets.portrait_worker import PARTS, Options, PortraitMaker, Record
from phnet.datasets.readers import SPLITS
from phnet.datasets.synthesis import READINGS, Reading
from phnet.errors import BadData, BadOutput
from phnet.files import json_of, write_text
from phnet.matting.matte import REFINEMENTS, Matter

ENGINES = {"processes": run_processes, "ray": run_ray}
VAL_SHARE = TEST_SHARE = 5 / 70  # section 3.2: 60,000 / 5,000 / 5,000 of 70,000


@dataclass(frozen=True)
class BuildSummary:
    """Counts of what a build made."""

    splits: dict[str, int]  # images in each
    rejected: dict[str, int]  # photos left out, by kind
    duplicates: int  # groups of two or more near-duplicates
    ignored: int  # files under the folder that are not pictures by their suffix
    reused: int  # images that an earlier run had finished

    @property
    def images(self) -> int:
        """Images made, in all splits."""
        return sum(self.splits.values())


def build(
    photos: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    seed: int = 0,
    size: int | None = None,
    masks: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    refine: str = "guided",
    reading: Reading = "photo",
    jobs: int = 1,
    engine: str = "processes",
    progress: Callable[[int, int, int], None] | None = None,
) -> BuildSummary:
    """Make composites of all photos under a folder; go on where an earlier run was stopped.

    Args:
        photos: searched with its subfolders.
        output: the tree to make; new, empty, or begun by a build with the same options.
        seed: of the recoloring and of the split.
        size: length of the shorter side (larger photos are reduced, smaller ones kept); None
            keeps the photos' sizes.
        masks: folder of masks that exist, found by the photo's name; None mattes each photo.
        model: another matting model, see :class:`phnet.matting.matte.Matter`.
        refine: refinement of the matte's edge.
        reading: of section 3.2, see :func:`phnet.datasets.synthesis.make_composite`.
        jobs: worker processes, or Ray actors.
        engine: "processes", or "ray" (extra ``scale``; all nodes must see both folders).
        progress: called with (done, total, rejected) as images finish.

    Raises:
        BadData: no photo, none that can be used, or a tree begun with other options.
        BadOutput: the tree cannot be written (a full disk, say); the same call goes on later.
    """
    _check_names(engine, refine, reading)
    source, tree = Path(photos).resolve(), Path(output).resolve()
    if source.is_relative_to(tree):
        raise BadOutput(f"{output}: the photos lie in the folder to write to; choose another")
    tasks, ignored = plan(source, tree, None if masks is None else Path(masks).resolve())
    matte = None if model is None else str(model)
    _prepare(
        tree,
        {
            "seed": seed,
            "size": size or "source",
            "matte": "masks" if masks is not None else Matter(matte, threads=1).name,
            "refine": refine if masks is None else None,
            "reading": reading,
        },
    )
    options = Options(str(source), str(tree), seed, size, matte, refine, reading)
    records, rejected = _resume(source, tree, tasks)
    reused = len(records)
    run = partial(ENGINES[engine], PortraitMaker, options)
    _make(tree, tasks, records, rejected, run, jobs, progress)
    splits, duplicates = _finish(tree, seed, list(records.values()), list(rejected.values()))
    kinds = dict(sorted(Counter(record["kind"] for record in rejected.values()).items()))
    if not records:
        raise BadData(f"{photos}: none of {len(tasks)} photos can be used; see rejected.jsonl")
    return BuildSummary(splits, kinds, duplicates, ignored, reused)


def _check_names(engine: str, refine: str, reading: str) -> None:
    for name, given, known in (
        ("engine", engine, ENGINES),
        ("refine", refine, REFINEMENTS),
        ("reading", reading, READINGS),
    ):
        if given not in known:
            raise BadData(f"{name}: expected one of {', '.join(known)}, got {given!r}")


def _make(
    tree: Path,
    tasks: list[Record],
    records: dict[str, Record],
    rejected: dict[str, Record],
    run: Callable[[list[Record], int], Generator[Record]],
    jobs: int,
    progress: Callable[[int, int, int], None] | None,
) -> None:
    """Make the images that are not made yet; each is noted in the journal once it is written.

    Args:
        tree: to write to.
        tasks: all images.
        records: what is made, by source; what comes is added.
        rejected: what is left out, likewise.
        run: works on tasks in so many jobs.
        jobs: see :func:`build`.
        progress: see :func:`build`.

    Raises:
        BadOutput: the tree cannot be written.
    """
    done = records.keys() | rejected.keys()
    waiting = [task for task in tasks if task["source"] not in done]

    def report() -> None:
        if progress is not None:
            progress(len(records) + len(rejected), len(tasks), len(rejected))

    report()
    try:
        with (
            (tree / "journal.jsonl").open("a", encoding="utf-8", newline="\n") as journal,
            closing(run(waiting, jobs)) as made,
        ):
            for record in made:
                if "failed" in record:
                    raise BadOutput(f"{record['failed']}; the same command goes on from here")
                (rejected if "reason" in record else records)[record["source"]] = record
                journal.write(_line(record))
                journal.flush()
                report()
        _sweep(tree)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadOutput(
            f"{tree}: cannot be written ({reason}); the same command goes on from here"
        ) from error


def _prepare(tree: Path, settings: Record) -> None:
    """Make the tree's folders, or check that it was begun with the same ``settings``."""
    begun = tree / "build.json"
    try:
        if begun.is_file():
            before = dict(json_of(begun.read_bytes()))
            before.setdefault("reading", "photo")  # not in older builds
            differ = [key for key in settings if before.get(key) != settings[key]]
            if differ:
                was, now = (
                    ", ".join(f"{key} {values.get(key)}" for key in differ)
                    for values in (before, settings)
                )
                raise BadData(f"{tree}: was begun with {was}, not {now}; choose another folder")
        elif tree.is_dir() and any(not _temporary(path) for path in tree.iterdir()):
            raise BadOutput(
                f"{tree}: expected a new or empty folder, or one begun by `phnet data build`"
            )
        for part in PARTS:
            (tree / part).mkdir(parents=True, exist_ok=True)
        _sweep(tree)
        write_text(begun, json.dumps(settings) + "\n")
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadOutput(f"{tree}: cannot be used to write to ({reason})") from error


def _sweep(tree: Path) -> None:
    """Remove what a worker left that was killed while it wrote, in this run (Ray) or before."""
    for folder in (tree, *(tree / part for part in PARTS)):
        for path in filter(_temporary, folder.iterdir()):
            path.unlink()


def _temporary(path: Path) -> bool:
    """Tell whether a file is what :func:`phnet.files.replacing` leaves when it is killed."""
    return path.name.startswith(".") and ".tmp" in path.name


def _resume(
    source: Path, tree: Path, tasks: list[Record]
) -> tuple[dict[str, Record], dict[str, Record]]:
    """Return the records, and the rejections, of earlier runs that still hold, by source.

    Pictures whose photo is gone are removed. A finished build that is run again tries its
    rejected photos again; an interrupted one does not.
    """
    journal = tree / "journal.jsonl"
    noted = _read_lines(journal)
    if journal.is_file():
        write_text(journal, "".join(map(_line, noted)))  # drops a line that was cut short
    earlier = {record["source"]: record for record in _read_lines(tree / "manifest.jsonl")}
    earlier.update((record["source"], record) for record in noted)
    names = {task["source"]: f"{task['name']}.png" for task in tasks}
    wanted = set(names.values())
    records: dict[str, Record] = {}
    rejected: dict[str, Record] = {}
    for key, record in earlier.items():
        name = record.get("name")
        holds = key in names and (source / key).stat().st_size == record["source_bytes"]
        if name is None:
            if holds:
                rejected[key] = record
        elif holds and name == names[key] and all((tree / p / name).is_file() for p in PARTS):
            records[key] = {k: v for k, v in record.items() if k not in ("split", "group")}
        elif name not in wanted:
            for part in PARTS:
                (tree / part / name).unlink(missing_ok=True)
    return records, rejected


def _read_lines(path: Path) -> list[Record]:
    """Return the records of a file of JSON lines, up to one that was cut short; [] if absent."""
    found: list[Record] = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            try:
                found.append(json_of(line if line.endswith("\n") else ""))
            except ValueError:
                break
    return found


def _line(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _finish(
    tree: Path, seed: int, records: list[Record], rejected: list[Record]
) -> tuple[dict[str, int], int]:
    """Split the images and write the lists; return the splits' sizes and the duplicate groups."""
    records = sorted(records, key=lambda record: str(record["name"]))
    groups = near_duplicates.groups([record["gradient_hash"] for record in records])
    splits = split([[records[i]["source_hash"] for i in group] for group in groups], seed)
    lines: dict[str, str] = {}
    for members, name in zip(groups, splits, strict=True):
        group = records[members[0]]["name"] if len(members) > 1 else None
        for i in members:
            records[i] = {**records[i], "split": name, "group": group}
    for name in SPLITS:
        lines[name] = "".join(f"{r['name']}\n" for r in records if r["split"] == name)
    rejected = sorted(rejected, key=lambda record: str(record["source"]))
    write_text(tree / "rejected.jsonl", "".join(map(_line, rejected)))
    for name, text in lines.items():
        write_text(tree / f"{name}_split.txt", text)
    write_text(tree / "manifest.jsonl", "".join(map(_line, records)))
    (tree / "journal.jsonl").unlink(missing_ok=True)
    sizes = Counter(record["split"] for record in records)
    return {name: sizes[name] for name in SPLITS}, sum(len(group) > 1 for group in groups)


def split(groups: list[list[str]], seed: int) -> list[str]:
    """Draw the split of each group: val and test get 5 of 70 images each, train the rest.

    A group goes to one split as a whole: in a random order, to val where it still fits, else to
    test, else to train. From three images on, val and test get at least one if a group is small
    enough.

    Args:
        groups: the source hashes of each group's images; their order does not matter.
        seed: of the order.
    """
    count = sum(map(len, groups))
    least = 1 if count >= 3 else 0
    free = {
        "val": max(least, round(count * VAL_SHARE)),
        "test": max(least, round(count * TEST_SHARE)),
        "train": count,
    }
    ordered = sorted(range(len(groups)), key=lambda i: sorted(groups[i]))
    drawn = [""] * len(groups)
    for index in np.random.default_rng(seed).permutation(len(groups)).tolist():
        i = ordered[index]
        name = next(name for name, room in free.items() if len(groups[i]) <= room)
        free[name] -= len(groups[i])
        drawn[i] = name
    return drawn
