"""Read the two data sets of the paper: iHarmony4 (section 3.1) and FFHQH (section 3.2).

iHarmony4, one folder a subset (``root`` holds some of the four, or is one of them)::

    HCOCO/HCOCO_train.txt, HCOCO_test.txt     names of composites, one a line
    HCOCO/composite_images/a_b_c.jpg          photo a, object b, recoloring c
    HCOCO/masks/a_b.png
    HCOCO/real_images/a.jpg

FFHQH, as the authors publish it; their real photos lie in FFHQ's own folder (``real=``)::

    train_split.txt, val_split.txt, test_split.txt    names with extension, one a line
    comp/NAME, alpha/NAME, real/NAME                   one name, extensions may differ

Files are found by their name without extension, whatever the extension and its case.
"""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import numpy.typing as npt

from phnet.errors import BadData
from phnet.images import load, load_mask

SUBSETS = ("HCOCO", "HAdobe5k", "HFlickr", "Hday2night")
SPLITS = ("train", "val", "test")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """A composite, its mask and the real photo; decoded anew each time one is asked for."""

    id: str  # the composite's file name without extension
    subset: str  # HCOCO, HAdobe5k, HFlickr, Hday2night or FFHQH
    composite_path: Path
    mask_path: Path
    real_path: Path
    size: int | None = None  # side of the square that all three are resized to; None: as stored
    soft: bool = False  # keep the mask soft instead of binarizing it at 0.5

    @property
    def composite(self) -> Floats:
        """The composite, RGB float32 (H, W, 3) in [0, 1]."""
        return self._picture(self.composite_path)

    @property
    def real(self) -> Floats:
        """The real photo, RGB float32 (H, W, 3) in [0, 1]."""
        return self._picture(self.real_path)

    @property
    def mask(self) -> Floats:
        """The mask, float32 (H, W): 0 or 1, binarized at 0.5 after resizing (appendix A).

        With ``soft=True`` in [0, 1] as stored, resized bilinearly.
        """
        mask = load_mask(self.mask_path)
        if self.size is not None:
            mask = resize(mask, self.size)
        return mask if self.soft else (mask > 0.5).astype(np.float32)

    def _picture(self, path: Path) -> Floats:
        rgb = load(path).rgb
        return rgb if self.size is None else resize(rgb, self.size)


def resize(pixels: Floats, size: int) -> Floats:
    """Resize (H, W) or (H, W, 3) to a square of ``size``: bilinear, by area where it shrinks."""
    shrinks = min(pixels.shape[:2]) >= size
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (size, size), interpolation=how), np.float32)


def read(
    root: str | os.PathLike[str],
    split: str,
    real: str | os.PathLike[str] | None = None,
    *,
    size: int | None = None,
    soft: bool = False,
) -> list[Sample]:
    """Return the samples of one split, in the order of the split file.

    Nothing is decoded yet: 70,000 samples are 70,000 small records.

    Args:
        root: folder of iHarmony4, of one of its subsets, or of FFHQH.
        split: "train" or "test", and "val" for FFHQH.
        real: folder of the real photos where it is not ``root/real`` (FFHQH only); photos are
            found in its subfolders too, as FFHQ comes.
        size: resize everything to this square; None keeps the stored sizes.
        soft: keep masks soft.

    Raises:
        BadData: the layout is neither of the two, a split file is missing or empty, or a file
            that it names is missing (``phnet data check`` lists them all).
    """
    samples, problems = find(root, split, real, size=size, soft=soft)
    if problems:
        more = f" (and {len(problems) - 1} more; `phnet data check` lists all)"
        raise BadData(problems[0] + (more if len(problems) > 1 else ""))
    return samples


def layout(root: str | os.PathLike[str]) -> str:
    """Say which data set lies in ``root``: "iHarmony4" or "FFHQH".

    Raises:
        BadData: neither.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise BadData(f"{folder}: expected the folder of a data set, but there is no such folder")
    if _subset_folders(folder):
        return "iHarmony4"
    if (folder / "comp").is_dir() or any((folder / f"{s}_split.txt").is_file() for s in SPLITS):
        return "FFHQH"
    raise BadData(
        f"{folder}: expected iHarmony4 (folders such as HCOCO with HCOCO_test.txt) or FFHQH "
        "(folders comp and alpha with test_split.txt), found neither"
    )


def splits(root: str | os.PathLike[str]) -> list[str]:
    """Return the names of the splits that ``root`` has files for, in the order of SPLITS."""
    folder = Path(root)
    if layout(folder) == "FFHQH":
        return [s for s in SPLITS if (folder / f"{s}_split.txt").is_file()]
    found = _subset_folders(folder)
    return [s for s in SPLITS if any((path / f"{n}_{s}.txt").is_file() for n, path in found)]


def find(
    root: str | os.PathLike[str],
    split: str,
    real: str | os.PathLike[str] | None = None,
    *,
    size: int | None = None,
    soft: bool = False,
) -> tuple[list[Sample], list[str]]:
    """As :func:`read`, but return what is missing, a sentence each, instead of raising."""
    folder, kind = Path(root), layout(root)
    if split not in SPLITS:
        raise BadData(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
    if kind == "iHarmony4" and split == "val":
        raise BadData(f"{folder}: iHarmony4 has the splits train and test, no val")
    if kind == "iHarmony4" and real is not None:
        raise BadData(f"{folder}: a folder of real photos is for FFHQH; iHarmony4 has its own")
    samples: list[Sample] = []
    problems: list[str] = []
    if kind == "FFHQH":
        photos = folder / "real" if real is None else Path(real)
        if not photos.is_dir():
            hint = "; hand in FFHQ's folder (--real DIR)" if real is None else ""
            raise BadData(f"{photos}: expected the folder of the real photos, found none{hint}")
        finders = [_Finder(folder / "comp"), _Finder(folder / "alpha"), _Finder(photos)]
        names = _lines(folder / f"{split}_split.txt")
        _collect("FFHQH", names, finders, size, soft, samples, problems)
        return samples, problems
    for name, path in _subset_folders(folder):
        parts = ("composite_images", "masks", "real_images")
        finders = [_Finder(path / part) for part in parts]
        names = _lines(path / f"{name}_{split}.txt")
        _collect(name, names, finders, size, soft, samples, problems)
    return samples, problems


def _collect(
    subset: str,
    names: list[str],
    finders: list["_Finder"],
    size: int | None,
    soft: bool,
    samples: list[Sample],
    problems: list[str],
) -> None:
    """Add to ``samples`` and ``problems`` what the split file's ``names`` give."""
    for name in names:
        stem = PurePosixPath(name).stem
        if subset == "FFHQH":
            stems = [stem] * 3
        elif stem.count("_") >= 2:
            stems = [stem, stem.rsplit("_", 1)[0], stem.rsplit("_", 2)[0]]
        else:
            problems.append(f"{subset}: expected a name like a_b_c.jpg, got {name!r}")
            continue
        found: list[Path] = []
        for finder, wanted, what in zip(finders, stems, _PARTS, strict=True):
            path = finder.get(wanted, PurePosixPath(name).name)
            if path is None:
                problems.append(f"{finder.folder / wanted}.*: the {what} of {name} is missing")
            else:
                found.append(path)
        if len(found) == 3:
            samples.append(Sample(stem, subset, found[0], found[1], found[2], size, soft))


_PARTS = ("composite", "mask", "real photo")


class _Finder:
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

    def get(self, stem: str, name: str) -> Path | None:
        """The picture called ``name``, else the only (or first) one called ``stem``."""
        paths = self._paths.get(stem, [])
        exact = [path for path in paths if path.name == name]
        return next(iter(exact or paths), None)


def _subset_folders(root: Path) -> list[tuple[str, Path]]:
    """Return (subset, folder) for the subsets under ``root``, or for ``root`` itself."""
    below = [(name, root / name) for name in SUBSETS if (root / name).is_dir()]
    itself = [
        (name, root)
        for name in SUBSETS
        if any((root / f"{name}_{split}.txt").is_file() for split in SPLITS)
    ]
    return below or itself


def _lines(path: Path) -> list[str]:
    """Return the non-empty lines of a split file, with forward slashes."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadData(f"{path}: expected the list of a split, found no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(f"{path}: the list of a split cannot be read ({error})") from error
    names = [line.strip().replace("\\", "/") for line in text.splitlines()]
    names = [name for name in names if name]
    if not names:
        raise BadData(f"{path}: expected names of composites, one a line, found none")
    return names


def masked_photos(folder: Path) -> list[tuple[Path, Path]]:
    """Photos NAME.jpg that have a mask NAME.png beside them, by name: the files of both.

    Raises:
        BadData: there are none.
    """
    beside = [(photo, photo.with_suffix(".png")) for photo in sorted(folder.glob("*.jpg"))]
    found = [(photo, mask) for photo, mask in beside if mask.is_file()]
    if not found:
        raise BadData(f"{folder}: expected photos NAME.jpg with masks NAME.png, found none")
    return found
