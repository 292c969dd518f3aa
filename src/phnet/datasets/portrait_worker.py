"""One portrait of FFHQH: matte, recolor, blend, write (section 3.2).

What a portrait becomes depends on its bytes, the seed and the options alone. The same class
runs in a process pool and in Ray's actors; see :mod:`phnet.batch.executors`.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from phnet.datasets.near_duplicates import gradient_hash
from phnet.datasets.synthesis import Reading, make_composite
from phnet.errors import BadInput, BadOutput
from phnet.files import write_bytes
from phnet.images import check_mask, load, load_mask
from phnet.images.arrays import Bytes, Floats, to_uint8
from phnet.matting.matte import Matter

PARTS = ("real", "alpha", "comp")  # in the order in which they are written
GRAY_TOLERANCE = 2 / 255  # a photo whose channels differ nowhere by more than this is grayscale

Record = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """Settings that all portraits of one build share; can be sent to another process."""

    photos: str  # the folder that sources are relative to
    tree: str  # the folder to write to
    seed: int
    size: int | None  # length of the shorter side at most; None: the photo's own
    model: str | None  # of matting, where a task has no mask; None: the embedded one
    refine: str
    reading: Reading = "photo"  # of section 3.2, see make_composite


class _Rejected(Exception):  # noqa: N818  (an outcome, not an error)
    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class PortraitMaker:
    """Makes portraits one after another with one matting session."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._matter: Matter | None = None

    def __call__(self, task: Record) -> Record:
        """Make one portrait and return its record.

        Args:
            task: "name" (of the files to write, without extension), "source" (relative path of
                the photo) and "mask" (path, "" where the mask is missing, None to matte).

        Returns:
            The line for manifest.jsonl; or, with "kind" and "reason", for rejected.jsonl; or
            "failed" with a sentence where the tree cannot be written.
        """
        source = Path(self._options.photos, task["source"])
        try:
            content = source.read_bytes()
        except OSError as error:
            return _rejection(task, 0, "unreadable", f"cannot be read ({error.strerror})")
        try:
            return self._make(task, source, content)
        except _Rejected as outcome:
            return _rejection(task, len(content), outcome.kind, str(outcome))
        except BadOutput as error:
            return {"source": task["source"], "failed": str(error)}

    def _make(self, task: Record, source: Path, content: bytes) -> Record:
        try:
            picture = load(source).rgb
        except BadInput as error:
            raise _Rejected("unreadable", _without_paths(error, source)) from error
        red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
        if max(np.abs(red - green).max(), np.abs(green - blue).max()) <= GRAY_TOLERANCE:
            raise _Rejected("grayscale", "the photo is grayscale: it has no colors to change")
        source_size = picture.shape[1::-1]
        picture = _reduce(picture, self._options.size)
        photo = to_uint8(picture)
        alpha = to_uint8(self._alpha(task, picture))

        source_hash = hashlib.sha256(content).hexdigest()
        seed = portrait_seed(self._options.seed, source_hash)
        composite = make_composite(photo, alpha, seed, self._options.reading)
        share = float(composite.mask.mean())
        if not 0 < share < 1:
            what = "empty" if share == 0 else "everything: no background is left"
            raise _Rejected("mask", f"at 0.5 the mask is {what}")
        for part, pixels in zip(PARTS, (photo, alpha, composite.image), strict=True):
            write_bytes(Path(self._options.tree, part, f"{task['name']}.png"), _png(pixels))
        return {
            "name": f"{task['name']}.png",
            "source": task["source"],
            "source_hash": source_hash,
            "source_bytes": len(content),
            "seed": seed,
            "parameters": composite.parameters,
            "fg_ratio": round(share, 6),
            "matte": self._matte_name(task),
            "source_size": list(source_size),
            "size": [photo.shape[1], photo.shape[0]],
            "gradient_hash": gradient_hash(photo),
        }

    def _alpha(self, task: Record, picture: Floats) -> Floats:
        """The portrait's mask, float32 (H, W) in [0, 1], given or made."""
        if task["mask"] == "":
            raise _Rejected("no mask", "there is no mask of this name")
        if task["mask"] is None:
            try:
                return self._session().matte(picture, self._options.refine)
            except BadInput as error:
                raise _Rejected("no person", "no person was found") from error
        try:
            return check_mask(load_mask(task["mask"]), (picture.shape[0], picture.shape[1]))
        except BadInput as error:
            raise _Rejected("mask", _without_paths(error, Path(task["mask"]))) from error

    def _session(self) -> Matter:
        if self._matter is None:
            self._matter = Matter(self._options.model, threads=1)
        return self._matter

    def _matte_name(self, task: Record) -> str:
        return self._session().name if task["mask"] is None else "masks"


def portrait_seed(seed: int, source_hash: str) -> int:
    """The seed of one portrait, in [0, 2**53): of the build's seed and the photo's sum."""
    mixed = hashlib.sha256(f"{seed} {source_hash}".encode()).digest()
    return int.from_bytes(mixed[:8], "big") >> 11


def _rejection(task: Record, size: int, kind: str, reason: str) -> Record:
    return {"source": task["source"], "source_bytes": size, "kind": kind, "reason": reason}


def _without_paths(error: BadInput, path: Path) -> str:
    """The sentence without the path, so that the same photos give the same bytes anywhere."""
    return str(error).removeprefix(f"{path}: ").replace(str(path), path.name)


def _reduce(picture: Floats, size: int | None) -> Floats:
    """Reduce to a shorter side of ``size`` by area; smaller pictures stay as they are."""
    height, width = picture.shape[:2]
    shorter = min(height, width)
    if size is None or shorter <= size:
        return picture
    new = (max(size, round(width * size / shorter)), max(size, round(height * size / shorter)))
    return np.asarray(cv2.resize(picture, new, interpolation=cv2.INTER_AREA), np.float32)


def _png(pixels: Bytes) -> bytes:
    """Encode uint8 (H, W) or RGB (H, W, 3) with the settings that are quickest for photos.

    Run lengths of averaged differences took 32 ms for 1024x1024 of noisy photo where Pillow's
    default took 150 ms, and 8% less room than deflate's quickest.
    """
    options = [
        cv2.IMWRITE_PNG_COMPRESSION,
        1,
        cv2.IMWRITE_PNG_STRATEGY,
        cv2.IMWRITE_PNG_STRATEGY_RLE,
        cv2.IMWRITE_PNG_FILTER,
        cv2.IMWRITE_PNG_FILTER_AVG,
    ]
    planes = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(".png", planes, options)
    if not done:
        raise BadOutput("a picture could not be encoded as PNG")
    return bytes(encoded)
