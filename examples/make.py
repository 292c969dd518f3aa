"""Make composite.jpg and mask.png: an astronaut on a boardwalk at dusk.

Person: Eileen Collins, portrait by NASA, public domain, as scikit-image ships it (512x512).
Scene: photo by Josh Calabrese, as the npm package tabler-ui 0.0.34 (MIT, Copyright (c) 2018
Pawel Kuna) ships it (1500x1000)::

    npm pack tabler-ui@0.0.34
    tar xzf tabler-ui-0.0.34.tgz
    pip install '.[matte]' scikit-image
    python examples/make.py package/dist/demo/photos/josh-calabrese-66153-1500.jpg

The portrait is enlarged 1.4 times: no free photo of a person with a side of 1,000 pixels or more
was found in a package.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from phnet.matting.matte import Matter

try:
    import skimage.data
    from pymatting import estimate_foreground_ml
except ModuleNotFoundError as error:
    sys.exit(f"examples/make.py needs {error.name}: pip install '.[matte]' scikit-image")

HERE = Path(__file__).parent
ENLARGED = 1.4
LEFT = 150  # of the portrait in the scene
# Parts of the flags behind her that the matte takes for her, in the portrait's pixels.
FLAGS = (
    [(0, 360), (14, 385), (21, 434), (23, 470), (27, 512), (0, 512)],
    [(347, 275), (375, 275), (375, 338), (361, 352)],
)


def main() -> None:
    """Write both files beside this one."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit("usage: python examples/make.py SCENE.jpg; where it is from stands in this file")
    scene = np.asarray(Image.open(sys.argv[1]).convert("RGB"), np.float32) / 255
    portrait = np.asarray(skimage.data.astronaut(), np.float32) / 255
    alpha = Matter().matte(portrait, refine="closed-form")
    for flag in FLAGS:
        cv2.fillPoly(alpha, [np.array(flag, np.int32)], 0)
    alpha = keep_largest(np.clip((alpha - 0.05) / 0.9, 0, 1))
    colors = estimate_foreground_ml(portrait, alpha)
    side = round(portrait.shape[0] * ENLARGED)
    colors = np.clip(cv2.resize(colors, (side, side), interpolation=cv2.INTER_CUBIC), 0, 1)
    alpha = np.clip(cv2.resize(alpha, (side, side), interpolation=cv2.INTER_CUBIC), 0, 1)

    height, width = scene.shape[:2]
    top, left = height - side, LEFT
    mask = np.zeros((height, width), np.float32)
    mask[top:, left : left + side] = alpha
    person = np.zeros_like(scene)
    person[top:, left : left + side] = colors
    composite = scene + mask[..., None] * (person - scene)
    save(composite, "composite.jpg", quality=92, subsampling=0)
    save(mask, "mask.png")


def keep_largest(alpha: np.ndarray) -> np.ndarray:
    """Drop what is not connected to the person."""
    _, labels, areas, _ = cv2.connectedComponentsWithStats((alpha > 0.05).astype(np.uint8))
    return np.where(labels == 1 + areas[1:, cv2.CC_STAT_AREA].argmax(), alpha, 0)


def save(pixels: np.ndarray, name: str, **options: int) -> None:
    """Write floats in [0, 1] with 8 bits."""
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(HERE / name, **options)


if __name__ == "__main__":
    main()
