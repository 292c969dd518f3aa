"""Protocols: how a paper's figures were made from pictures, by name.

A protocol says at what size pictures are compared and how they come to it, what becomes of the mask
and in which order, whether predictions are rounded to 8 bits, and which formulas follow. Each but
``paper`` is written after the evaluation code that its authors publish (:attr:`Protocol.source`);
what that code does not compute (SSIM, or fPSNR) follows here from the same pictures, peak and
epsilon. All of them average per-image values.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from phnet.datasets.readers import Sample, resize
from phnet.errors import BadData, BadInput, MissingExtra
from phnet.evaluation import metrics
from phnet.evaluation.metrics import FULL_SCALE, Equation, Peak, Scores, Window
from phnet.images import load, load_mask
from phnet.images.arrays import Bytes, Doubles, Floats, to_uint8

# How pictures are resized: by the house's own rule (bilinear, by area where they shrink), by
# Pillow, which looks at more pixels where it shrinks, or by OpenCV, which always looks at four.
Resizing = Literal["house", "pillow-bilinear", "pillow-bicubic", "opencv-bilinear"]
# "binary": resized as pictures are, then 1 above 0.5. "one-bit": Pillow's convert("1"), which
# dithers grays, then resized to the nearest pixel. "soft": resized as pictures are, and kept.
MaskRule = Literal["binary", "one-bit", "soft"]
Depth = Literal["8 bits", "float"]

BYTE = 255.0
FORMER = ("default", "iharmony4")  # names of what --convention took


@dataclass(frozen=True)
class Protocol:
    """Rules by which figures are made; see the module."""

    name: str
    source: str  # whose code, and which files
    size: int | None  # side of the square; None: as stored
    resizing: Resizing
    mask: MaskRule
    depth: Depth  # of predictions
    peak: Peak
    equation: Equation  # of fMSE
    epsilon: float = 0.0  # added to the MSE in PSNR, and to 3 S in fMSE
    masked: bool = False  # MSE, PSNR and SSIM see the true photo outside the mask
    window: Window = "gaussian"  # of SSIM
    span: float = FULL_SCALE  # of SSIM
    mask_by_subset: tuple[tuple[str, MaskRule], ...] = ()  # where a set has a rule of its own

    def about(self) -> dict[str, Any]:
        """Describe the protocol, for a result's JSON."""
        ssim = f"{self.window}, range {self.span:g}"
        return {
            "name": self.name,
            "source": self.source,
            "size": self.size,
            "interpolation": self.resizing,
            "mask": self.mask,
            "mask_by_subset": dict(self.mask_by_subset),
            "depth": self.depth,
            "peak": self.peak,
            "fmse_equation": self.equation,
            "epsilon": self.epsilon,
            "outside_the_mask": "ignored" if self.masked else "counted",
            "ssim": ssim,
        }

    # -- pictures ---------------------------------------------------------------------------

    def real(self, sample: Sample) -> Doubles:
        """The true photo, whole numbers in [0, 255], (H, W, 3)."""
        return self._picture(sample.real_path)

    def composite(self, sample: Sample) -> Doubles:
        """The composite, as :meth:`real`."""
        return self._picture(sample.composite_path)

    def foreground(self, sample: Sample) -> Doubles:
        """The mask, (H, W) in [0, 1], after this protocol's rule."""
        rule = dict(self.mask_by_subset).get(sample.subset, self.mask)
        alpha = load_mask(sample.mask_path)
        if rule == "one-bit":
            return self._one_bit(alpha)
        if self.size is not None and self.resizing.startswith("pillow"):
            small = _by_pillow(to_uint8(alpha), self.size, self.resizing)
            alpha = small.astype(np.float32) / np.float32(BYTE)
        elif self.size is not None:
            alpha = _by_opencv(alpha, self.size, self.resizing)
        return np.asarray(alpha > 0.5 if rule == "binary" else alpha, np.float64)

    def prediction(self, path: Path, real: Doubles) -> Doubles:
        """A prediction at the size of ``real``, (H, W, 3) in [0, 255].

        Raises:
            BadData: its size is neither the protocol's nor, where that has none, the photo's.
        """
        rgb = load(path).rgb
        if self.size is not None and rgb.shape != real.shape:
            if self.depth == "8 bits" and self.resizing != "house":
                return self._at_size(to_uint8(rgb))
            rgb = _by_opencv(rgb, self.size, self.resizing)
        if rgb.shape != real.shape:
            (height, width), (rows, columns) = real.shape[:2], rgb.shape[:2]
            raise BadData(
                f"{path}: expected the real photo's size {width}x{height}, got {columns}x{rows} "
                "(predictions and scores are made at one size)"
            )
        values = np.asarray(rgb, np.float64) * BYTE
        return np.rint(values) if self.depth == "8 bits" else values

    def _picture(self, path: Path) -> Doubles:
        rgb = load(path).rgb
        if self.size is not None and self.resizing == "house":
            rgb = resize(rgb, self.size)  # in float, rounded once
        return self._at_size(to_uint8(rgb))

    def _at_size(self, pixels: Bytes) -> Doubles:
        """8-bit pixels at the protocol's size, rounded again as those who resize bytes do."""
        if self.size is None or self.resizing == "house":
            return pixels.astype(np.float64)
        if self.resizing == "opencv-bilinear":
            return np.asarray(cv2.resize(pixels, (self.size, self.size)), np.float64)
        return _by_pillow(pixels, self.size, self.resizing).astype(np.float64)

    def _one_bit(self, alpha: Floats) -> Doubles:
        from PIL import Image

        mask = Image.fromarray(to_uint8(alpha)).convert("1")
        if self.size is not None:
            mask = mask.resize((self.size, self.size), Image.Resampling.NEAREST)
        return np.asarray(mask, np.float64)

    # -- figures ----------------------------------------------------------------------------

    def scores(self, predicted: npt.ArrayLike, real: npt.ArrayLike, mask: npt.ArrayLike) -> Scores:
        """All metrics of one image.

        Args:
            predicted: (H, W, 3) in [0, 255].
            real: the same.
            mask: (H, W) in [0, 1].

        Raises:
            BadImage, BadMask: sizes differ, or the mask is empty.
        """
        x, y = np.asarray(predicted, np.float64), np.asarray(real, np.float64)
        foreground = metrics.fmse(x, y, mask, self.equation, self.epsilon)
        peak = metrics.peak_of(self.peak, x, y)
        m = np.asarray(mask, np.float64)[..., None]
        if self.masked:
            error = float(np.mean(m * (x - y) ** 2))
            likeness = metrics.ssim(x * m + y * (1 - m), y, self.window, self.span)
        else:
            error = metrics.mse(x, y)
            likeness = metrics.ssim(x, y, self.window, self.span)
        try:
            difference = metrics.delta_e(x, y, mask)
        except MissingExtra:
            difference = float("nan")
        return Scores(
            error,
            metrics.decibels(peak, error + self.epsilon),
            foreground,
            metrics.decibels(peak, foreground + self.epsilon),
            likeness,
            difference,
        )


def _by_opencv(pixels: Floats, size: int, resizing: Resizing) -> Floats:
    """Floats resized in float; predictions of Pillow's protocols too, bilinearly or bicubically."""
    if resizing == "house":
        return resize(pixels, size)
    how = cv2.INTER_CUBIC if resizing == "pillow-bicubic" else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (size, size), interpolation=how), np.float32)


def _by_pillow(pixels: Bytes, size: int, resizing: Resizing) -> Bytes:
    from PIL import Image

    how = Image.Resampling.BICUBIC if resizing == "pillow-bicubic" else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(pixels).resize((size, size), how), np.uint8)


PROTOCOLS = {
    each.name: each
    for each in (
        Protocol(
            name="paper",
            source="arXiv 2402.17561, appendix A: masks binarized at 0.5, fMSE by equation 16; of "
            "PSNR's peak it names three and chooses none: here 255",
            size=None,
            resizing="house",
            mask="binary",
            depth="8 bits",
            peak=FULL_SCALE,
            equation=16,
        ),
        Protocol(
            name="dovenet",
            source="bcmi/Image-Harmonization-Dataset-iHarmony4: evaluation.py; DoveNet/test.py",
            size=256,
            resizing="pillow-bicubic",
            mask="one-bit",
            depth="8 bits",
            peak="range",
            equation=17,
        ),
        Protocol(
            name="idih",
            source="SamsungLabs/image_harmonization: iharm/inference/metrics.py, "
            "iharm/data/hdataset.py, iharm/data/transforms.py, scripts/evaluate_model.py",
            size=256,
            resizing="opencv-bilinear",
            mask="soft",
            depth="float",
            peak="target",
            equation=16,
            epsilon=1e-6,
        ),
        Protocol(
            name="pctnet",
            source="rakutentech/PCT-Net-Image-Harmonization: iharm/inference/metrics.py, "
            "iharm/inference/evaluation.py, scripts/evaluate_iHarmony4.py",
            size=None,
            resizing="opencv-bilinear",
            mask="soft",
            depth="float",
            peak=FULL_SCALE,
            equation=16,
            epsilon=1e-6,
            masked=True,
        ),
        Protocol(
            name="harmonizer",
            source="ZHKKKe/Harmonizer: src/val_harmonizer.py",
            size=None,
            resizing="pillow-bilinear",
            mask="one-bit",
            depth="float",
            peak="range",
            equation=17,
            window="uniform",
            span=2.0,
        ),
        Protocol(
            name="released",
            source="befozg/PHNet: tools/tester.py, tools/metrics.py, tools/dataset.py (read in the "
            "fork locle97/PHNet)",
            size=256,
            resizing="pillow-bilinear",
            mask="one-bit",
            depth="float",
            peak="target",
            equation=16,
            epsilon=1e-6,
            mask_by_subset=(("FFHQH", "binary"),),
        ),
    )
}


def find(name: str, size: int | None = None) -> Protocol:
    """The protocol of a name; ``size`` in place of its own.

    Raises:
        BadInput: there is none of that name.
    """
    if name not in PROTOCOLS:
        former = ", which is the name of a former convention" if name in FORMER else ""
        raise BadInput(f"protocol: expected one of {', '.join(PROTOCOLS)}, got {name!r}{former}")
    found = PROTOCOLS[name]
    return found if size is None else replace(found, size=size)
