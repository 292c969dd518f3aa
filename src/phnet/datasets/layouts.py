"""Layouts of data sets on disk: the files of a composite, its mask and its real photo.

:mod:`phnet.datasets.readers` describes the layouts and is the face of this module.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from phnet.errors import BadData
from phnet.files import json_of

SUBSETS = ("HCOCO", "HAdobe5k", "HFlickr", "Hday2night")
SPLITS = ("train", "val", "test")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
LARGEST_LIST = 1 << 28  # bytes
# Folders of composites; the others are those of D-iHarmony4. {} is the split.
COMPOSITES = ("composite_images", "composite_images_{}", "composite_degraded_images")
# Composites, masks and real videos of HYouTube, as published and as its code expects them.
VIDEO_FOLDERS = (
    ("Composite", "Mask", "Ground-truth"),
    ("synthetic_composite_videos", "foreground_mask", "real_videos"),
)
# What people call the three files in a list of JSON lines.
KEYS = {
    "composite": ("composite", "comp", "image", "file_name"),
    "mask": ("mask", "alpha"),
    "real": ("real", "target", "gt"),
}
PARTS = ("composite", "mask", "real photo")


class Triple(NamedTuple):
    """The files of one sample."""

    id: str
    subset: str
    composite: Path
    mask: Path
    real: Path
    video: str | None = None  # that the composite is a frame of


class Finder:
    """Finds pictures of a folder and its subfolders by name without extension."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._paths: dict[str, list[Path]] = {}
        for parent, folders, files in os.walk(folder):
            folders.sort()
            for name in sorted(files):
                path = Path(parent, name)
                if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                    self._paths.setdefault(path.stem, []).append(path)

    def get(self, stems: Sequence[str], name: str) -> Path | None:
        """The picture called ``name``, else the only (or first) one of the first stem that is."""
        for stem in stems:
            paths = self._paths.get(stem, [])
            exact = [path for path in paths if path.name == name]
            found = next(iter(exact or paths), None)
            if found is not None:
                return found
        return None

    @property
    def names(self) -> list[str]:
        """Names of all files, sorted."""
        return sorted(path.name for paths in self._paths.values() for path in paths)


def lines(path: Path) -> list[str]:
    """The non-empty lines of a split file, with forward slashes.

    Raises:
        BadData: it is missing, cannot be read, or is empty.
    """
    try:
        if path.stat().st_size > LARGEST_LIST:
            raise BadData(f"{path}: expected a list of at most {LARGEST_LIST >> 20} MiB")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadData(f"{path}: expected the list of a split, found no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(f"{path}: the list of a split cannot be read ({error})") from error
    names = [line.strip() for line in text.splitlines()]
    names = [name if path.suffix == ".jsonl" else name.replace("\\", "/") for name in names]
    names = [name for name in names if name]
    if not names:
        raise BadData(f"{path}: expected names of composites, one a line, found none")
    return names


def collect(
    subset: str,
    names: Iterable[str],
    finders: Sequence[Finder],
    triples: list[Triple],
    problems: list[str],
) -> None:
    """Add to ``triples`` and ``problems`` what the names of composites give."""
    for name in names:
        stem, parts = PurePosixPath(name).stem, PurePosixPath(name).stem.rsplit("_", 2)
        if subset == "FFHQH":
            stems = [[stem]] * 3
        elif subset not in SUBSETS:  # a_b_c and its like, or one name for all three
            shorter = [stem, *("_".join(parts[:i]) for i in range(len(parts) - 1, 0, -1))]
            stems = [[stem], shorter, shorter]
        elif len(parts) == 3:
            stems = [[stem], ["_".join(parts[:2])], [parts[0]]]
        else:
            problems.append(f"{subset}: expected a name like a_b_c.jpg, got {name!r}")
            continue
        found: list[Path] = []
        for finder, wanted, what in zip(finders, stems, PARTS, strict=True):
            path = finder.get(wanted, PurePosixPath(name).name)
            if path is None:
                problems.append(f"{finder.folder / wanted[-1]}.*: the {what} of {name} is missing")
            else:
                found.append(path)
        if len(found) == 3:
            triples.append(Triple(stem, subset, found[0], found[1], found[2]))


# -- composite_images, masks, real_images under any subset name -----------------------------


def subset_folders(root: Path) -> list[tuple[str, Path]]:
    """(subset, folder) for the subsets under ``root``, or for ``root`` itself."""
    below = [(name, root / name) for name in SUBSETS if (root / name).is_dir()]
    others = [path for path in _folders(root) if path.name not in SUBSETS]
    below += [(path.name, path) for path in others if _has_composites(path)]
    itself = [
        (name, root)
        for name in SUBSETS
        if any((root / f"{name}_{split}.txt").is_file() for split in SPLITS)
    ]
    if not itself and _has_composites(root):
        itself = [(root.resolve().name, root)]
    return below or itself


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir())


def _has_composites(folder: Path) -> bool:
    return _composites(folder, "test") is not None and (folder / "real_images").is_dir()


def _composites(folder: Path, split: str) -> Path | None:
    """The folder of composites: of this split, else of any."""
    for name in COMPOSITES:
        for each in (split, *SPLITS):
            if (folder / name.format(each)).is_dir():
                return folder / name.format(each)
    return None


def list_of(name: str, folder: Path, split: str) -> Path | None:
    """The list of a subset's split in its folder: NAME_test.txt, test.txt or ANY_test.txt."""
    for path in (folder / f"{name}_{split}.txt", folder / f"{split}.txt"):
        if path.is_file():
            return path
    others = sorted(folder.glob(f"*_{split}.txt"))
    return others[0] if len(others) == 1 else None


def whole_list(root: Path, split: str) -> Path | None:
    """The list of all subsets in ``root``, of paths such as HCOCO/composite_images/a_b_c.jpg."""
    return next(
        (p for p in (root / f"IHD_{split}.txt", root / f"{split}.txt") if p.is_file()), None
    )


def lists(root: Path) -> list[str]:
    """The splits that there are lists of; where there are none at all, everything is test."""
    found = [
        split
        for split in SPLITS
        if whole_list(root, split)
        or any(list_of(name, path, split) for name, path in subset_folders(root))
    ]
    return found or ["test"]


def read_subsets(root: Path, split: str) -> tuple[list[Triple], list[str]]:
    """All subsets of a split; what is missing, a sentence each."""
    triples: list[Triple] = []
    problems: list[str] = []
    found = subset_folders(root)
    without = not any(
        list_of(name, path, each) or whole_list(root, each)
        for name, path in found
        for each in SPLITS
    )
    for name, path in found:
        composites = _composites(path, split) or path / COMPOSITES[0]
        finders = [Finder(composites), Finder(path / "masks"), Finder(path / "real_images")]
        listed = list_of(name, path, split)
        whole = whole_list(root, split)
        if without and name not in SUBSETS:
            names = finders[0].names
            if not names:
                raise BadData(f"{composites}: expected composites, found none")
        elif listed is None and whole is not None:
            names = [n for n in lines(whole) if path == root or path.name in PurePosixPath(n).parts]
        else:
            names = lines(listed or path / f"{name}_{split}.txt")
        collect(name, names, finders, triples, problems)
    return triples, problems


# -- videos ---------------------------------------------------------------------------------


def video_folders(root: Path) -> tuple[str, str, str] | None:
    """The names of HYouTube's three folders in ``root``."""
    return next((f for f in VIDEO_FOLDERS if all((root / name).is_dir() for name in f)), None)


def video_list(root: Path, split: str) -> Path | None:
    """The list of a split: of frames (real, mask, composite), or of videos."""
    names = (f"{split}_frames.txt", f"{split}_list.txt", f"{split}.txt")
    return next((root / name for name in names if (root / name).is_file()), None)


def read_videos(root: Path, split: str) -> tuple[list[Triple], list[str]]:
    """The frames of a split, VIDEO/OBJECT/FRAME, in the order of its list."""
    folders = video_folders(root)
    assert folders is not None
    composites, masks, reals = (root / name for name in folders)
    listed = video_list(root, split)
    frames: list[PurePosixPath] = []
    for line in lines(listed or root / f"{split}.txt"):
        named = PurePosixPath(line.split()[-1])  # of three, the composite
        parts = [part for part in named.parts if part not in folders]
        if named.suffix.lower() in SUFFIXES:
            frames.append(PurePosixPath(*parts))
            continue
        within = composites.joinpath(*parts)
        frames += sorted(
            PurePosixPath(path.relative_to(composites))
            for path in within.rglob("*")
            if path.suffix.lower() in SUFFIXES
        )
    triples, problems = [], []
    for frame in frames:
        stem = frame.with_suffix("")
        video = PurePosixPath(*frame.parts[:1])
        wanted = (composites / stem, masks / stem, reals / video / frame.stem)
        found = [_with_suffix(path) for path in wanted]
        for path, there, what in zip(wanted, found, PARTS, strict=True):
            if there is None:
                problems.append(f"{path}.*: the {what} of {frame} is missing")
        composite, mask, real = found
        if composite and mask and real:
            triple = Triple(str(stem), root.resolve().name, composite, mask, real, str(stem.parent))
            triples.append(triple)
    return triples, problems


def _with_suffix(path: Path) -> Path | None:
    """The picture of this path without extension."""
    for suffix in (".jpg", ".png", *sorted(SUFFIXES)):
        for each in (suffix, suffix.upper()):
            if path.with_name(path.name + each).is_file():
                return path.with_name(path.name + each)
    return None


# -- lists of JSON lines --------------------------------------------------------------------


def read_json_lines(path: Path) -> tuple[list[Triple], list[str]]:
    """A list of JSON lines; its paths count from its own folder."""
    triples: list[Triple] = []
    problems: list[str] = []
    finders: dict[Path, Finder] = {}
    for number, line in enumerate(lines(path), 1):
        try:
            record = json_of(line)
        except ValueError:
            record = None
        named = _named(record)
        if "composite" not in named:
            raise BadData(f"{path}, line {number}: expected an object that names a composite")
        given = {key: path.parent / name.replace("\\", "/") for key, name in named.items()}
        composite = given["composite"]
        subset = str(record.get("subset") or _subset_of(composite, path))
        if "mask" in given and "real" in given:
            missing = [what for what, there in given.items() if not there.is_file()]
            problems += [
                f"{given[what]}: the {what} of line {number} is missing" for what in missing
            ]
            if not missing:
                video = str(record["video"]) if record.get("video") else None
                name = str(record.get("id") or composite.stem)
                triples.append(Triple(name, subset, composite, given["mask"], given["real"], video))
            continue
        places = (
            composite.parent,
            *(composite.parent.parent / n for n in ("masks", "real_images")),
        )
        for place in places:
            finders.setdefault(place, Finder(place))
        collect(subset, [composite.name], [finders[p] for p in places], triples, problems)
    return triples, problems


def _named(record: Any) -> dict[str, str]:
    """The paths that a record names."""
    if not isinstance(record, dict):
        return {}
    found = {key: [record[n] for n in names if n in record] for key, names in KEYS.items()}
    return {key: some[0] for key, some in found.items() if some and isinstance(some[0], str)}


def _subset_of(composite: Path, listed: Path) -> str:
    """The folder above composite_images, else the list's own name."""
    above = composite.parent.parent
    return above.name if composite.parent.name in COMPOSITES else listed.resolve().parent.name
