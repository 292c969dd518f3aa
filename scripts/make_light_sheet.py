"""People in another light: paste, harmonized, and what the light itself would have made of them.

    python scripts/make_light_sheet.py -o docs/light.jpg

Eight of the free portraits (tests/portraits) before their own background under a named light of the
benchmark (phnet/datasets/foreign_light.py): no photo shows these lights, they are reckoned. All
choices are in this file; run it again when the weights in the package have changed.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from make_figure3 import write_jpeg

from phnet import Harmonizer
from phnet.datasets.benchmark_sets import load_pair
from phnet.datasets.foreign_light import paste
from phnet.datasets.synthesis import Pixels

PORTRAITS = Path(__file__).resolve().parents[1] / "tests" / "portraits"
SHOWN = {
    "test_0019": "sunset",
    "test_0060": "blue hour",
    "test_0098": "forest",
    "test_0103": "tungsten",
    "test_0141": "night",
    "test_0192": "snow shade",
    "test_0227": "neon",
    "test_0157": "dusk",
}
HEIGHT = 320  # pixels, of each picture
GAP = 6


def row(name: str, light: str, seed: int, harmonizer: Harmonizer) -> Pixels:
    """Paste, harmonized and reckoned, side by side, with the light's name."""
    photo, mask = load_pair(PORTRAITS / f"{name}.jpg", PORTRAITS / f"{name}.png")
    made = paste(photo, mask, None, [7, seed], light)
    result = harmonizer.harmonize(made.composite, made.mask)
    width = round(HEIGHT * made.real.shape[1] / made.real.shape[0])
    cells = [
        cv2.resize(x, (width, HEIGHT), interpolation=cv2.INTER_AREA)
        for x in (made.composite, result, made.real)
    ]
    joined = np.ascontiguousarray(np.concatenate(cells, 1))
    for thick, color in ((3, (0, 0, 0)), (1, (255, 255, 255))):
        where = (6, HEIGHT - 8)
        cv2.putText(joined, light, where, cv2.FONT_HERSHEY_SIMPLEX, 0.5, color, thick, cv2.LINE_AA)
    return joined


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/light.jpg"))
    parser.add_argument("--model", help="another network than the shipped one")
    options = parser.parse_args()
    harmonizer = Harmonizer(options.model)
    rows = [row(*shown, seed, harmonizer) for seed, shown in enumerate(SHOWN.items())]
    width = max(r.shape[1] for r in rows)
    padded = [
        np.pad(r, ((0, GAP), (0, width - r.shape[1] + GAP), (0, 0)), constant_values=255)
        for r in rows
    ]
    pairs = [np.concatenate(padded[i : i + 2], 1) for i in range(0, len(padded), 2)]
    write_jpeg(options.output, np.concatenate(pairs), 86)


if __name__ == "__main__":
    main()
