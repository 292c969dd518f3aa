"""Figures 4 and 5 of the paper for any set: methods side by side, from their predictions."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from phnet.datasets.readers import Sample
from phnet.errors import BadData, BadOutput
from phnet.evaluation.metrics import METRICS
from phnet.evaluation.statistics import Scored
from phnet.files import write_bytes
from phnet.images import load
from phnet.images.arrays import Bytes, to_uint8

CELL = 224  # pixels, height and width of a picture's place
GAP = 6
HEAD = 30
ROWS = 6  # where none are named
INK = (40, 40, 40)


def chosen(method: Scored, rows: int = ROWS) -> list[str]:
    """Ids evenly from the best to the worst by fMSE."""
    order = np.argsort(method.scores[:, METRICS.index("fmse")], kind="stable")
    places = np.linspace(0, len(order) - 1, min(rows, len(order))).round().astype(int)
    return [method.ids[int(order[place])] for place in places]


def sheet(samples: Sequence[Sample], methods: Sequence[Scored], ids: Sequence[str] = ()) -> Bytes:
    """A row an image: composite, mask, each method, the true photo.

    Args:
        samples: of the evaluation.
        methods: what :func:`phnet.evaluation.score.evaluate` gave.
        ids: of the images; none: see :func:`chosen`, of the last method.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        BadData: an id is none of the set's.
    """
    by_id = {sample.id: sample for sample in samples}
    rows = {name: i for i, name in enumerate(methods[0].ids)}
    wanted = list(ids) or chosen(methods[-1])
    unknown = [name for name in wanted if name not in rows]
    if unknown:
        raise BadData(f"expected ids of images with scores, got {unknown[0]!r}")
    heads = ["composite", "mask", *(method.name for method in methods), "true photo"]
    lines = [_heads(heads)]
    for name in wanted:
        sample = by_id[name]
        pictures = [to_uint8(sample.composite), to_uint8(np.dstack([sample.mask] * 3))]
        pictures += [to_uint8(load(method.paths[rows[name]]).rgb) for method in methods]
        pictures.append(to_uint8(sample.real))
        lines.append(np.hstack([_cell(picture) for picture in pictures]))
    return np.vstack(lines)


def write_sheet(path: Path, pixels: Bytes) -> None:
    """Write a sheet as JPEG or PNG, by the name's extension.

    Raises:
        BadOutput: another extension.
    """
    kind = path.suffix.lower()
    if kind not in (".png", ".jpg", ".jpeg"):
        raise BadOutput(f"{path}: expected a name ending in .jpg or .png")
    quality = [] if kind == ".png" else [cv2.IMWRITE_JPEG_QUALITY, 88]
    _, encoded = cv2.imencode(kind, pixels[..., ::-1], quality)
    write_bytes(path, encoded.tobytes())


def _cell(picture: Bytes) -> Bytes:
    """A picture in the middle of its place, on white."""
    height, width = picture.shape[:2]
    scale = CELL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)
    place = np.full((CELL + GAP, CELL + GAP, 3), 255, np.uint8)
    top, left = (CELL - size[1]) // 2, (CELL - size[0]) // 2
    place[top : top + size[1], left : left + size[0]] = small
    return place


def _heads(names: Sequence[str]) -> Bytes:
    """Names over the columns, as far as they fit."""
    strip = np.full((HEAD, (CELL + GAP) * len(names), 3), 255, np.uint8)
    for i, name in enumerate(names):
        plain = name.encode("ascii", "replace").decode("ascii")
        font = cv2.FONT_HERSHEY_SIMPLEX
        (width, _), _ = cv2.getTextSize(plain, font, 0.55, 1)
        scale = 0.55 * min(1.0, CELL / max(width, 1))
        place = (i * (CELL + GAP), HEAD - 10)
        cv2.putText(strip, plain, place, font, scale, INK, 1, cv2.LINE_AA)
    return strip
