"""List of the photos that become images of a data set, with their names and masks."""

import os
from collections import Counter
from pathlib import Path

from phnet.datasets.portrait_worker import Record
from phnet.datasets.readers import SUFFIXES
from phnet.errors import BadData

PHOTO_SUFFIXES = SUFFIXES | {".heic", ".heif"}


def plan(source: Path, tree: Path, masks: Path | None) -> tuple[list[Record], int]:
    """Return a task for each photo under ``source``, and how many other files there are.

    Args:
        source: the folder of photos, searched with its subfolders.
        tree: the folder to write to; what lies there is no photo.
        masks: the folder of masks, where they exist.

    Raises:
        BadData: a folder is not there, no photo is, or two would get one name.
    """
    if not source.is_dir():
        raise BadData(f"{source}: expected a folder of photos, but there is no such folder")
    by_name: dict[str, Path] = {}
    if masks is not None:
        if not masks.is_dir():
            raise BadData(f"{masks}: expected a folder of masks, but there is no such folder")
        # Photos and masks that share a folder are ID.jpg and ID.png.
        suffixes = frozenset({".png"}) if source.is_relative_to(masks) else SUFFIXES
        by_name = _masks(masks, suffixes)
    are_masks = set(by_name.values())
    paths, ignored = [], 0
    for path in _files(source):
        if path.is_relative_to(tree) or path in are_masks:
            continue
        if path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith("."):
            paths.append(path.relative_to(source))
        else:
            ignored += 1
    if not paths:
        raise BadData(f"{source}: expected photos, found none")
    tasks = []
    for path, name in zip(paths, _names(paths), strict=True):
        mask = None
        if masks is not None:
            found = by_name.get(path.with_suffix("").as_posix()) or by_name.get(path.stem)
            mask = "" if found is None else str(found)
        tasks.append({"name": name, "source": path.as_posix(), "mask": mask})
    return tasks, ignored


def _files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for parent, _, names in os.walk(folder):
        found.extend(Path(parent, name) for name in names)
    return sorted(found)


def _masks(folder: Path, suffixes: frozenset[str]) -> dict[str, Path]:
    """Masks by relative path without suffix; and by name alone, where only one has the name."""
    paths = [path for path in _files(folder) if path.suffix.lower() in suffixes]
    often = Counter(path.stem for path in paths)
    found = {path.stem: path for path in paths if often[path.stem] == 1}
    return found | {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}


def _names(paths: list[Path]) -> list[str]:
    """Names for what is made of ``paths``: the photo's, with its folders where two share one."""
    often = Counter(path.stem.casefold() for path in paths)
    names = []
    for path in paths:
        name = path.stem
        if often[name.casefold()] > 1:
            name = "_".join([*path.with_suffix("").parts, path.suffix[1:]])
        # A split file has one name a line, without spaces around it.
        names.append("".join(c if c.isprintable() else "_" for c in name).strip())
    (name, count), *_ = Counter(name.casefold() for name in names).most_common(1)
    if count > 1:
        raise BadData(f"two photos would both be called {name!r}: rename one of them")
    return names
