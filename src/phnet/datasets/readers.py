"""Read data sets of composites: iHarmony4 (section 3.1), FFHQH (section 3.2), and others like them.

iHarmony4, one folder a subset (``root`` holds some of them, or is one of them)::

    HCOCO/HCOCO_train.txt, HCOCO_test.txt     names of composites, one a line
    HCOCO/composite_images/a_b_c.jpg          photo a, object b, recoloring c
    HCOCO/masks/a_b.png
    HCOCO/real_images/a.jpg

The same under any other name (RPHarmony, HVIDIT, ccHarmony, ...; D-iHarmony4 with its
composite_degraded_images): the list may also be test.txt, or ANY_test.txt; one list for all subsets
(IHD_test.txt, of paths) lies in ``root``; without any list every composite is of the split test.
The three files of a sample may have one name.

FFHQH, as the authors publish it; their real photos lie in FFHQ's own folder (``real=``)::

    train_split.txt, val_split.txt, test_split.txt    names with extension, one a line
    comp/NAME, alpha/NAME, real/NAME                   one name, extensions may differ

HYouTube, videos as folders of frames; a sample's id is VIDEO/OBJECT/FRAME::

    train.txt, test.txt (or test_frames.txt)          videos, frames, or "real mask composite"
    Composite/VIDEO/OBJECT/FRAME.jpg                  or synthetic_composite_videos
    Mask/VIDEO/OBJECT/FRAME.png                       or foreground_mask
    Ground-truth/VIDEO/FRAME.jpg                      or real_videos

Lists of JSON lines, ``root/test.jsonl`` or ``root`` itself::

    {"composite": PATH, "mask": PATH, "real": PATH}   also "id", "subset", "video"
    {"file_name": "HCOCO/composite_images/a_b_c.jpg"}

Files are found by their name without extension, whatever the extension and its case.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from phnet.datasets import layouts
from phnet.datasets.layouts import SPLITS, SUBSETS, SUFFIXES, Finder, Triple
from phnet.errors import BadData
from phnet.images import load, load_mask
from phnet.images.arrays import Floats

__all__ = ["SPLITS", "SUBSETS", "SUFFIXES", "Sample", "find", "layout", "masked_photos", "read"]

LIKE_IHARMONY4 = "iHarmony4's layout"


@dataclass(frozen=True)
class Sample:
    """A composite, its mask and the real photo; decoded anew each time one is asked for."""

    id: str  # unique in its set: the composite's file name without extension, or a path's
    subset: str  # such as HCOCO, HAdobe5k, HFlickr, Hday2night or FFHQH
    composite_path: Path
    mask_path: Path
    real_path: Path
    size: int | None = None  # side of the square that all three are resized to; None: as stored
    soft: bool = False  # keep the mask soft instead of binarizing it at 0.5
    video: str | None = None  # that the composite is a frame of

    @property
    def file_name(self) -> str:
        """The name of a prediction, with folders where ids have some."""
        return f"{self.id}{self.composite_path.suffix}"

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
        root: folder of a data set, or a list of JSON lines; see the module.
        split: "train" or "test", and "val" for FFHQH.
        real: folder of the real photos where it is not ``root/real`` (FFHQH only); photos are
            found in its subfolders too, as FFHQ comes.
        size: resize everything to this square; None keeps the stored sizes.
        soft: keep masks soft.

    Raises:
        BadData: the layout is none of these, a split file is missing or empty, or a file
            that it names is missing (``phnet data check`` lists them all).
    """
    samples, problems = find(root, split, real, size=size, soft=soft)
    if problems:
        more = f" (and {len(problems) - 1} more; `phnet data check` lists all)"
        raise BadData(problems[0] + (more if len(problems) > 1 else ""))
    return samples


def layout(root: str | os.PathLike[str]) -> str:
    """Say which layout ``root`` has, by the name of the set that it is known from.

    Raises:
        BadData: none of those above.
    """
    folder = Path(root)
    if folder.is_file() and folder.suffix == ".jsonl":
        return "JSON lines"
    if not folder.is_dir():
        raise BadData(f"{folder}: expected the folder of a data set, but there is no such folder")
    if any((folder / f"{split}.jsonl").is_file() for split in SPLITS):
        return "JSON lines"
    if layouts.video_folders(folder):
        return "HYouTube"
    if found := layouts.subset_folders(folder):
        return "iHarmony4" if all(name in SUBSETS for name, _ in found) else LIKE_IHARMONY4
    if (folder / "comp").is_dir() or any((folder / f"{s}_split.txt").is_file() for s in SPLITS):
        return "FFHQH"
    raise BadData(
        f"{folder}: expected iHarmony4 (folders such as HCOCO with HCOCO_test.txt), FFHQH (folders "
        "comp and alpha with test_split.txt), folders composite_images, masks and real_images, "
        "videos, or a list test.jsonl, found neither"
    )


def splits(root: str | os.PathLike[str]) -> list[str]:
    """Return the names of the splits that ``root`` has files for, in the order of SPLITS."""
    folder, kind = Path(root), layout(root)
    if kind == "JSON lines":
        if folder.is_file():
            return ["test"]
        return [s for s in SPLITS if (folder / f"{s}.jsonl").is_file()]
    if kind == "FFHQH":
        return [s for s in SPLITS if (folder / f"{s}_split.txt").is_file()]
    if kind == "HYouTube":
        return [s for s in SPLITS if layouts.video_list(folder, s)]
    return layouts.lists(folder)


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
    if kind == "iHarmony4" and split == "val" and "val" not in layouts.lists(folder):
        raise BadData(f"{folder}: iHarmony4 has the splits train and test, no val")
    if kind != "FFHQH" and real is not None:
        raise BadData(f"{folder}: a folder of real photos is for FFHQH; {kind} has its own")
    if kind == "JSON lines":
        listed = folder if folder.is_file() else folder / f"{split}.jsonl"
        triples, problems = layouts.read_json_lines(listed)
    elif kind == "FFHQH":
        triples, problems = _ffhqh(folder, split, real)
    elif kind == "HYouTube":
        triples, problems = layouts.read_videos(folder, split)
    else:
        triples, problems = layouts.read_subsets(folder, split)
    return _samples(triples, size, soft), problems


def _ffhqh(
    folder: Path, split: str, real: str | os.PathLike[str] | None
) -> tuple[list[Triple], list[str]]:
    photos = folder / "real" if real is None else Path(real)
    if not photos.is_dir():
        hint = "; hand in FFHQ's folder (real)" if real is None else ""
        raise BadData(f"{photos}: expected the folder of the real photos, found none{hint}")
    finders = [Finder(folder / "comp"), Finder(folder / "alpha"), Finder(photos)]
    triples: list[Triple] = []
    problems: list[str] = []
    names = layouts.lines(folder / f"{split}_split.txt")
    layouts.collect("FFHQH", names, finders, triples, problems)
    return triples, problems


def _samples(triples: list[Triple], size: int | None, soft: bool) -> list[Sample]:
    """Samples with ids of their own: two subsets' composites of one name get the subset's name."""
    places: dict[str, set[str]] = {}
    for triple in triples:
        places.setdefault(triple.id, set()).add(triple.subset)
        for part in (triple.id, triple.subset):  # a prediction is written under them
            if not part or part.startswith("/") or {"..", "."} & set(part.split("/")):
                raise BadData(f"{triple.composite}: expected an id and a subset, got {part!r}")
    return [
        Sample(
            t.id if len(places[t.id]) == 1 else f"{t.subset}/{t.id}",
            *(t.subset, t.composite, t.mask, t.real, size, soft, t.video),
        )
        for t in triples
    ]


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
