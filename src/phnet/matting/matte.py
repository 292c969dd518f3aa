"""Find the person in a photo: its alpha, without a download.

The embedded network is MediaPipe's selfie segmentation (Apache-2.0, Google), converted to ONNX
by ``scripts/convert_matte.py``; the photo is stretched to its square, as MediaPipe does. Its
256-pixel answer is brought to the photo's own size by a guided filter, which lets the edge
follow the photo's colors, or by closed-form matting (extra ``matte``).
"""

import hashlib
import os
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from PIL import Image

from phnet.errors import BadInput, BadModel, MissingExtra
from phnet.images import Source, load
from phnet.images.arrays import (
    Floats,
    Pixels,
    check_pixels,
    enlarged_rows,
    shrunk,
    strips,
    to_float,
)
from phnet.images.guided_filter import guided_filter
from phnet.images.transparency import filled, hidden
from phnet.matting import sessions

REFINEMENTS = ("guided", "closed-form", "none")
LEAST_PERSON = 0.01  # share of the picture that must be person, at the network's size
PERHAPS, SURELY = 0.1, 0.9  # probabilities of a person
LEAST_SURE = 0.4  # share, of what is perhaps a person, that surely is; see docs/compose.md
GUIDE_SIDE = 512  # the guided filter is fitted at this longer side and applied at full size
GUIDE_EPSILON = 1e-3  # of the guided filter, on colors in [0, 1]
LARGEST_MODEL = 1 << 30  # bytes
LEAST_SIDE, LARGEST_SIDE = 4, 4096  # of a network's input, and of its output
CLOSED_FORM_SIDE = 1024  # closed-form matting is solved at this longer side

Photo = str | os.PathLike[str] | Source | Image.Image | Pixels


class _Network(Protocol):
    """A segmentation network at its own size."""

    side: tuple[int, int]  # height, width of its input

    def __call__(self, rgb: Floats) -> Floats:
        """Map RGB (height, width, 3) in [0, 1] to the person's probability (h, w)."""


class Matter:
    """A reusable matting session.

    Args:
        model: path of an ONNX or tflite model; None for the embedded one. Any that maps one RGB
            picture, NCHW or NHWC, to one channel (person; picture in [0, 1]) or to several
            (the first is background; picture in [-1, 1], as MediaPipe's selfie_multiclass).
        threads: of the network; None for all cores.
        providers: where an ONNX model runs, see :class:`phnet.Harmonizer`; None: the CPU.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        threads: int | None = None,
        providers: str | None = None,
    ) -> None:
        content, where = _model_bytes(model)
        is_lite = content[4:8] == b"TFL3"
        self._network: _Network = (
            _Lite(content, where, threads)
            if is_lite
            else _Onnx(content, where, threads, providers, outside=model is not None)
        )
        self.name = f"{where.name} sha256:{hashlib.sha256(content).hexdigest()[:16]}"
        """The model's file name and the start of its sum, for manifests."""

    def matte(
        self,
        photo: Photo,
        refine: str = "guided",
        guide_side: int = GUIDE_SIDE,
        *,
        least_sure: float = 0,
    ) -> Floats:
        """Return the alpha of the person or persons, float32 (H, W) in [0, 1].

        Args:
            photo: a path, a PIL image, or an array (H, W, 3), uint8 or float in [0, 1].
            refine: "guided", "closed-form" or "none" (bilinear).
            guide_side: see :func:`refine_guided`.
            least_sure: see :func:`sureness`.

        Raises:
            BadInput: no person was found, or none surely enough.
        """
        if refine not in REFINEMENTS:
            raise BadInput(f"refine: expected one of {', '.join(REFINEMENTS)}, got {refine!r}")
        # In its own type: a copy in floats is four times as large.
        rgb, visible, where = _pixels(photo)
        small = self.segment(rgb)
        if (small > 0.5).mean() < LEAST_PERSON:
            raise BadInput(f"no person was found in {where}")
        if sureness(small) < least_sure:
            raise BadInput(f"no person was found for sure in {where}")
        if refine == "guided":
            alpha = refine_guided(small, rgb, guide_side)
        elif refine == "closed-form":
            alpha = refine_closed_form(small, rgb)
        else:
            alpha = _resize(small, rgb.shape[:2])
        return alpha if visible is None else alpha * to_float(visible)

    def segment(self, rgb: Pixels) -> Floats:
        """Return the network's own answer, at its own size.

        Args:
            rgb: (H, W, 3): uint8, uint16, or floats in [0, 1].
        """
        return self._network(shrunk(rgb, self._network.side))


def sureness(person: Floats) -> float:
    """Sureness of a network's answer (h, w): what surely is a person, of what perhaps is one.

    Things that are no people are mostly found by halves; a person is unsure at the edges alone.
    """
    return float((person > SURELY).sum()) / max(1, int((person > PERHAPS).sum()))


def matte(
    photo: Photo,
    model: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    refine: str = "guided",
) -> Floats:
    """Return the alpha of the person in one photo; see :class:`Matter`."""
    return Matter(model, threads).matte(photo, refine)


def refine_guided(alpha: Floats, rgb: Pixels, guide_side: int = GUIDE_SIDE) -> Floats:
    """Bring a coarse alpha to the photo's size along the photo's own edges.

    A guided filter with a color guide (He et al., TPAMI 2013, eq. 14-16), fitted at a longer
    side of at most 512 with a radius of about two network pixels and applied at full size (He
    and Sun, "Fast guided filter", 2015). Then a²/(a² + (1 - a)²) undoes the filter's softness.

    Args:
        alpha: float32 (h, w) in [0, 1].
        rgb: (H, W, 3): uint8, uint16, or floats in [0, 1].
        guide_side: the longer side of the fit; smaller is faster.

    Returns:
        float32 (H, W) in [0, 1].
    """
    size = (rgb.shape[0], rgb.shape[1])
    scale = min(1.0, guide_side / max(size))
    fitted = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    guide = [np.asarray(plane) for plane in cv2.split(shrunk(rgb, fitted))]
    coarse = _resize(alpha, fitted)
    radius = max(1, round(max(fitted) / 110))

    def mean(pixels: Pixels) -> Floats:
        side = 2 * radius + 1
        averaged = cv2.boxFilter(pixels, cv2.CV_32F, (side, side), borderType=cv2.BORDER_REFLECT)
        return np.asarray(averaged, np.float32)

    *planes, offset = guided_filter(mean, guide, coarse, GUIDE_EPSILON)
    result = np.empty(size, np.float32)
    for rows in strips(size):
        soft = enlarged_rows(offset, size, rows)
        for c, plane in enumerate(planes):
            soft += enlarged_rows(plane, size, rows) * to_float(rgb[rows, :, c])
        soft = np.clip(soft, 0, 1)
        person, background = soft * soft, (1 - soft) * (1 - soft)
        result[rows] = person / (person + background)
    return result


def refine_closed_form(alpha: Floats, rgb: Pixels) -> Floats:
    """Solve the uncertain band of a coarse alpha by closed-form matting (Levin et al., 2008).

    Above 0.95 is kept as person and below 0.05 as background, both drawn in by about two
    network pixels; photos longer than 1024 are solved at 1024 and brought to size by
    :func:`refine_guided`.

    Raises:
        MissingExtra: pymatting is not installed.
    """
    try:
        from pymatting import estimate_alpha_cf
    except ImportError:
        raise MissingExtra("matte", "closed-form matting") from None
    size = (rgb.shape[0], rgb.shape[1])
    scale = min(1.0, CLOSED_FORM_SIDE / max(size))
    solved_size = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    photo, coarse = shrunk(rgb, solved_size), _resize(alpha, solved_size)
    margin = 2 * max(1, round(max(solved_size) / 128)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (margin, margin))
    person = cv2.erode((coarse > 0.95).astype(np.uint8), kernel)
    background = cv2.erode((coarse < 0.05).astype(np.uint8), kernel)
    trimap = np.full(coarse.shape, 0.5)
    trimap[person > 0], trimap[background > 0] = 1, 0
    if not (person.any() and background.any()):  # nothing certain to start from
        return refine_guided(alpha, rgb)
    solved = np.asarray(estimate_alpha_cf(photo.astype(np.float64), trimap), np.float32)
    solved = np.clip(solved, 0, 1)
    return solved if solved_size == size else refine_guided(solved, rgb)


class _Onnx:
    """An ONNX model run by onnxruntime."""

    def __init__(
        self,
        content: bytes,
        where: Path,
        threads: int | None,
        providers: str | None,
        *,
        outside: bool,
    ) -> None:
        self._seconds = sessions.SECONDS_TO_RUN if outside else None
        self._session = sessions.open_session(
            content, where, threads, outside=outside, providers=providers
        )
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or not outputs:
            raise BadModel(
                f"{where}: expected one input and an output, got {len(inputs)} and {len(outputs)}"
            )
        (entry,) = inputs
        shape = [side if isinstance(side, int) else None for side in entry.shape]
        self._planes_first = len(shape) == 4 and shape[1] == 3
        is_rgb = len(shape) == 4 and shape[0] in (1, None) and (self._planes_first or shape[3] == 3)
        if not is_rgb or entry.type != "tensor(float)":
            raise BadModel(
                f"{where}: expected one input, a float RGB picture (1, 3, H, W) or (1, H, W, 3), "
                f"got {entry.type} {entry.shape}"
            )
        self._where = where
        height, width = shape[2:] if self._planes_first else shape[1:3]
        self.side = _side((height or 256, width or 256), where)
        self._input, self._output = entry.name, outputs[0].name
        given = outputs[0].shape
        channels = given[1 if self._planes_first else 3] if len(given) == 4 else 1
        self._many = isinstance(channels, int) and channels > 1

    def __call__(self, rgb: Floats) -> Floats:
        picture = rgb * 2 - 1 if self._many else rgb
        picture = picture.transpose(2, 0, 1) if self._planes_first else picture
        feed = {self._input: np.ascontiguousarray(picture[None])}
        (result,) = sessions.run(self._session, [self._output], feed, self._where, self._seconds)
        answer = _checked(result, self._where)
        return _person(answer[0].transpose(1, 2, 0) if self._planes_first else answer[0])


class _Lite:
    """A tflite model run by ai-edge-litert (extra ``matte``), such as MediaPipe's own files."""

    def __init__(self, content: bytes, where: Path, threads: int | None) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise MissingExtra("matte", f"{where}: a tflite model") from None
        try:
            self._interpreter = Interpreter(model_content=content, num_threads=threads or 1)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BadModel(f"{where}: a tflite model that cannot be run ({error})") from error
        entry, result = (
            self._interpreter.get_input_details()[0],
            self._interpreter.get_output_details()[0],
        )
        shape = [int(side) for side in entry["shape"]]
        if len(shape) != 4 or shape[3] != 3 or entry["dtype"] is not np.float32:
            raise BadModel(f"{where}: expected an input of one RGB picture, got shape {shape}")
        self.side = _side((shape[1], shape[2]), where)
        self._where = where
        self._input, self._output = entry["index"], result["index"]
        self._many = int(result["shape"][-1]) > 1

    def __call__(self, rgb: Floats) -> Floats:
        picture = rgb * 2 - 1 if self._many else rgb
        self._interpreter.set_tensor(self._input, np.ascontiguousarray(picture[None], np.float32))
        self._interpreter.invoke()
        return _person(_checked(self._interpreter.get_tensor(self._output), self._where)[0])


def _side(side: tuple[int, int], where: Path) -> tuple[int, int]:
    if not all(LEAST_SIDE <= length <= LARGEST_SIDE for length in side):
        raise BadModel(
            f"{where}: expected an input of {LEAST_SIDE} to {LARGEST_SIDE} pixels a side, "
            f"got {side[0]}x{side[1]}"
        )
    return side


def _checked(result: Any, where: Path) -> Floats:
    """A network's answer, if it is one: (1, rows, columns, channels), or with channels first."""
    shape = getattr(result, "shape", None)
    largest = LARGEST_SIDE * LARGEST_SIDE
    if (
        shape is None
        or len(shape) != 4
        or shape[0] != 1
        or not 0 < result.size <= largest
        or result.dtype.kind != "f"
    ):
        got = type(result).__name__ if shape is None else f"{result.dtype} {shape}"
        raise BadModel(f"{where}: expected one picture of numbers as the output, got {got}")
    if not np.isfinite(result).all():
        raise BadModel(f"{where}: expected finite numbers as the output, got NaN or inf")
    return np.asarray(result, np.float32)


def _person(answer: Floats) -> Floats:
    """The person's probability (h, w) from (h, w, channels); several channels are logits."""
    if answer.shape[-1] == 1:
        return np.clip(answer[..., 0], 0, 1)
    powers = np.exp(answer - answer.max(-1, keepdims=True))
    person = 1 - powers[..., 0] / powers.sum(-1)
    return np.asarray(person**4 / (person**4 + (1 - person) ** 4), np.float32)


def _model_bytes(model: str | os.PathLike[str] | None) -> tuple[bytes, Path]:
    if model is None:
        embedded = resources.files("phnet") / "weights" / "matte.onnx"
        return embedded.read_bytes(), Path("matte.onnx")
    path = Path(model)
    try:
        if path.exists() and not path.is_file():
            raise BadModel(f"{path}: expected a model's file, but it is none")
        if path.stat().st_size > LARGEST_MODEL:
            raise BadModel(f"{path}: expected a model of at most {LARGEST_MODEL >> 20} MiB")
        return path.read_bytes(), path
    except OSError as error:
        raise BadModel(f"{path}: cannot be read ({error.strerror})") from error


def _pixels(photo: Photo) -> tuple[Pixels, Pixels | None, str]:
    """RGB (H, W, 3): uint8, uint16, or floats in [0, 1]; alpha that is not opaque; and its name."""
    if isinstance(photo, Image.Image):
        photo = np.asarray(photo.convert("RGB"))
    if isinstance(photo, np.ndarray):
        check_pixels(photo)
        return photo[..., :3], None, "the picture"
    picture = load(photo)
    if picture.alpha is None or not hidden(picture.alpha):
        return picture.colors, None, str(photo)
    return filled(picture.colors, picture.alpha), picture.alpha, str(photo)


def _resize(pixels: Floats, size: tuple[int, int]) -> Floats:
    """Resize to (height, width): by area where it shrinks, else bilinear."""
    if pixels.shape[:2] == size:
        return pixels
    shrinks = pixels.shape[0] >= size[0] and pixels.shape[1] >= size[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, size[::-1], interpolation=how), np.float32)
