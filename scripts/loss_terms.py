"""What each term of eq. 15 weighs in the gradient, with the weights as printed.

    python scripts/loss_terms.py --photos tests/portraits        # pip install -e '.[train]'

For each photo with a mask a composite is made (section 3.2, fixed seeds, 256 pixels); the
gradient of each weighted term by the predicted picture is taken where the prediction is the
composite itself and where it is halfway to the photo. A share is the gradient's norm over the
sum of the three norms. Printed are the means.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from phnet.datasets.synthesis import make_composite
from phnet.training.losses import TERMS
from phnet.training.sources import photo_sources, scene_sources, squared

PRINTED = {"psnr": 0.2, "fn_mse": 0.01, "gradient": 0.01}  # lambda 0, 1, 2


def shares(composite: np.ndarray, mask: np.ndarray, photo: np.ndarray, way: float) -> list[float]:
    """The three shares of one image; ``way`` is how far the prediction has come."""
    real = torch.from_numpy(photo).permute(2, 0, 1)[None].double() / 255
    start = torch.from_numpy(composite).permute(2, 0, 1)[None].double() / 255
    predicted = (start + way * (real - start)).requires_grad_(True)
    hard = torch.from_numpy(mask)[None, None].double()
    norms = []
    for name, weight in PRINTED.items():
        loss = weight * TERMS[name](predicted, real, hard).sum()
        (gradient,) = torch.autograd.grad(loss, predicted)
        norms.append(float(gradient.norm()))
    return [norm / sum(norms) for norm in norms]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="photos ID.jpg, masks ID.png")
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    folder = [str(options.photos)]
    sources = photo_sources(folder, "val") or [
        source for split in ("train", "val", "test") for source in scene_sources(folder, split)
    ]
    print(f"{len(sources)} photos, {options.size} pixels")
    print("prediction            | 0.2 L_PSNR | 0.01 L_FN-MSE | 0.01 L_G")
    for way, what in ((0.0, "the composite itself"), (0.5, "halfway"), (0.9, "nine tenths")):
        rows = []
        for i, source in enumerate(sources):
            planes = squared(source.load(), options.size)
            made = make_composite(planes[..., :3], planes[..., 3], [2024, i])
            if (made.image != planes[..., :3]).any():
                rows.append(shares(made.image, made.mask, planes[..., :3], way))
        means = np.mean(rows, 0)
        print(f"{what:21} | {means[0]:.5f}    | {means[1]:.1e}       | {means[2]:.1e}")


if __name__ == "__main__":
    main()
