"""Folders of composites, matched with their masks and backgrounds by name."""

import unicodedata
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phnet.errors import BadInput, BadOutput

JPEGS = frozenset({".jfif", ".jpe"})  # are read, and written as .jpg
PICTURES = JPEGS | {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif"}
PICTURES |= {".gif", ".avif", ".psd", ".jxl", ".jp2", ".j2k", ".jpx"}
MASK = "_mask"  # may stand behind a composite's name in that of its mask
WRITTEN = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"})


@dataclass(frozen=True)
class Item:
    """A composite, its mask and the place of the result."""

    composite: Path
    mask: Path | None  # None: the person is to be found
    output: Path
    problem: str | None = None  # why it cannot even be begun, one sentence
    background: Path | None = None  # of a portrait that is to be composed


def pictures(folder: Path, recursive: bool = False, *leave_out: Path) -> dict[str, list[Path]]:
    """The pictures of a folder by their name without its suffix; hidden ones do not count.

    Names are normalized (NFC): what a Mac wrote is found by what others write.

    Args:
        folder: where they are.
        recursive: look in folders inside it, too; their names stand before a slash.
        leave_out: folders in which not to look.

    Raises:
        BadInput: there is no such folder.
    """
    found: dict[str, list[Path]] = {}
    for path in _walk(folder, recursive, leave_out):
        if path.suffix.lower() in PICTURES and path.is_file():
            name = path.relative_to(folder).with_suffix("").as_posix()
            found.setdefault(unicodedata.normalize("NFC", name), []).append(path)
    return found


def _walk(folder: Path, recursive: bool, leave_out: Iterable[Path]) -> Generator[Path]:
    """List a folder, sorted, without hidden entries; with ``recursive`` files alone."""
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        reason = "it is a file" if folder.is_file() else reason
        reason = reason if folder.exists() else "there is none"
        raise BadInput(f"{folder}: expected a folder of pictures, but {reason}") from error
    left = {path.resolve() for path in leave_out}
    for path in entries:
        if not (recursive and path.is_dir()):
            yield path
        elif not path.is_symlink() and path.resolve() not in left:  # links may go in a circle
            yield from _walk(path, recursive, leave_out)


def passed_over(folder: Path, recursive: bool = False) -> str | None:
    """One sentence on what of a folder is no picture, or lies in folders inside it."""
    entries = list(_walk(folder, recursive, ()))
    folders = sum(path.is_dir() for path in entries)
    others = sum(path.suffix.lower() not in PICTURES and path.is_file() for path in entries)
    parts = [f"{_count(folders, 'folder')} inside it (recursive)"] if folders else []
    parts += [f"{_count(others, 'file')} of other kinds"] if others else []
    return f"{folder}: passed over {' and '.join(parts)}" if parts else None


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class Folders:
    """Folders that are read, and the folder of results."""

    composites: Path
    masks: Path | None  # None: those called X_mask among the composites
    output: Path
    backgrounds: Path | None = None  # one for all, or a folder of one for each
    recursive: bool = False  # folders inside are looked in, and mirrored in the output
    suffix: str | None = None  # that results get; None: the background's, or the composite's

    @property
    def others(self) -> list[Path]:
        """The folders that are read besides the composites."""
        return [path for path in (self.masks, self.backgrounds) if path and path.is_dir()]


def match(
    composites: Path, masks: Path | None, output: Path, recursive: bool = False, **more: Any
) -> list[Item]:
    """Match composites and masks by their names without suffix; X_mask is a mask for X, too.

    A composite without a mask, or with several, is an item with a problem. Results keep the
    composite's name; kinds of file that are not written become PNG.

    Args:
        composites: as all others, see :class:`Folders`.
        masks: see there.
        output: see there.
        recursive: see there.
        more: see there.

    Raises:
        BadInput: a folder is missing or holds no pictures.
        BadOutput: results would land among what is read.
    """
    if masks and masks.exists() and masks.resolve() == composites.resolve():
        masks = None
    folders = Folders(composites, masks, output, recursive=recursive, **more)
    read = {path.resolve() for path in (composites, *folders.others)}
    if output.exists() and output.resolve() in read:
        raise BadOutput(f"{output}: expected another folder than those that are read")
    found = pictures(composites, recursive, output, *folders.others)
    beside: dict[str, Path] = {}
    if masks is None:
        beside = {name: found[name + MASK][0] for name in found if name + MASK in found}
        for name in beside:
            found.pop(name + MASK, None)
    if not found:
        raise BadInput(f"{composites}: expected pictures in this folder, found none")
    known = _Named(masks, recursive, MASK) if masks else None
    scenes = folders.backgrounds
    behind = _Named(scenes, recursive) if scenes and scenes.is_dir() else None
    return [_item(folders, name, found[name], beside.get(name), known, behind) for name in found]


def _item(
    folders: Folders,
    name: str,
    paths: list[Path],
    mask: Path | None,
    masks: "_Named | None",
    backgrounds: "_Named | None",
) -> Item:
    """Make the item of the composites of one name, of which there should be one."""
    composite, problem, background = paths[0], None, folders.backgrounds
    if len(paths) > 1:
        several = ", ".join(path.name for path in paths)
        problem = f"{composite}: expected one composite of this name, found {several}"
    if backgrounds:
        background, wrong = backgrounds.one(name, "background")
        problem = f"{composite}: {wrong}" if wrong else problem
    if masks:
        mask, wrong = masks.one(name, "mask")
        problem = f"{composite}: {wrong}" if wrong else problem
    suffix = folders.suffix or _result_suffix(background or composite)
    place = composite.relative_to(folders.composites).with_name(composite.stem + suffix)
    return Item(composite, mask, folders.output / place, problem, background)


class _Named:
    """Pictures of a folder, found by the name of another picture."""

    def __init__(self, folder: Path, recursive: bool, ending: str = "") -> None:
        self._folder, self._ending = folder, ending
        self._exact = pictures(folder, recursive)
        self._folded: dict[str, list[Path]] = {}
        for name, paths in self._exact.items():
            self._folded.setdefault(name.casefold(), []).extend(paths)

    def one(self, name: str, kind: str) -> tuple[Path | None, str | None]:
        """The one of this name, else with the ending, else in other case; or what is wrong."""
        fitting: list[Path] = []
        for known, wanted in ((self._exact, name), (self._folded, name.casefold())):
            for place in (wanted, wanted + self._ending):
                fitting = fitting or known.get(place, [])
        if len(fitting) == 1:
            return fitting[0], None
        several = ", ".join(path.name for path in fitting) or "none"
        return None, f"expected one {kind} {name}.* in {self._folder}, found {several}"


def _result_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in JPEGS:
        return ".jpg"
    return path.suffix if suffix in WRITTEN else ".png"


def result_name(composite: Path) -> str:
    """Name a composite's result: kinds of file that are not written become PNG."""
    return composite.stem + _result_suffix(composite)
