"""Figure 2 of the paper for the shipped weights: what the two branches of each PN block do.

    pip install -e '.[train]'
    python scripts/make_figure2.py -o docs/figure2.jpg

For one of the committed portraits, a row a PN block: the composite with its mask's outline and the
block's patches, the features that go in, the local branch (equation 8), the global branch (equation
5), and what comes out (equation 12). Features are shown by the three directions in which those that
go in vary most, as red, green and blue; all of a row by the same, each stretched to its own range.
In its corner stands how widely it is spread, as a share of the features that go in.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
from make_figure3 import composite_of, feed_of, write_jpeg
from make_results import PORTRAITS
from onnx import helper

from phnet.datasets.benchmark_sets import photos_with_masks
from phnet.harmonization.harmonizer import find_model

SIDE = 256
CELL = 192
HEAD = 26
BLOCKS = {3: 3, 4: 4, 5: 5}  # decoder layer (from 0): patches along a side
PARTS = {
    "in": "/decoder.{}/Cast",
    "local": "/decoder.{}/pn/Add_5",
    "global": "/decoder.{}/pn/Add_4",
}
PARTS |= {"out": "/decoder.{}/pn/Add_11"}
HEADS = ("composite, patches", "features in", "local branch", "global branch", "out")


def opened(path: Path) -> ort.InferenceSession:
    """The network with the PN blocks' insides as further outputs."""
    model = onnx.load(path)
    nodes = {node.name: node for node in model.graph.node}
    wanted = {f"{part}{i}": name.format(i) for i in BLOCKS for part, name in PARTS.items()}
    missing = [name for name in wanted.values() if name not in nodes]
    if missing:
        sys.exit(f"{path}: expected a network with PN blocks, but it has no {', '.join(missing)}")
    for key, name in wanted.items():
        model.graph.node.append(helper.make_node("Identity", [nodes[name].output[0]], [key]))
        model.graph.output.append(helper.make_empty_tensor_value_info(key))
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def colored(maps: list[Any]) -> list[Any]:
    """Feature maps (C, h, w) as pictures (h, w, 3), by the first one's principal directions."""
    flat = maps[0].reshape(len(maps[0]), -1)
    centered = flat - flat.mean(1, keepdims=True)
    directions = np.linalg.svd(centered @ centered.T)[0][:, :3]
    spread = (directions.T @ centered).std()
    pictures = []
    for each in maps:
        seen = (directions.T @ each.reshape(len(each), -1)).T
        low, high = np.percentile(seen, (1, 99), axis=0)
        scaled = np.clip((seen - low) / (high - low), 0, 1).reshape(*each.shape[1:], 3)
        picture = np.rint(255 * scaled).astype(np.uint8)
        cell = cv2.resize(picture, (CELL - 4, CELL - 4), interpolation=cv2.INTER_NEAREST)
        share = (seen - seen.mean(0)).std() / spread
        cv2.rectangle(cell, (0, CELL - 22), (46, CELL - 4), (255, 255, 255), -1)
        place, font = (3, CELL - 9), cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(cell, f"{share:.2f}", place, font, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        pictures.append(cell)
    return pictures


def patched(image: Any, mask: Any, grid: int) -> Any:
    """The composite with the mask's outline in white and the patches' borders in yellow."""
    shown = image.copy()
    outline, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(shown, outline, -1, (255, 255, 255), 2)
    for i in range(1, grid):
        at = round(SIDE * i / grid)
        cv2.line(shown, (at, 0), (at, SIDE), (255, 220, 0), 1)
        cv2.line(shown, (0, at), (SIDE, at), (255, 220, 0), 1)
    return shown


def main() -> None:
    """Write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/figure2.jpg"))
    parser.add_argument("--model", help="another ONNX file than the shipped one")
    parser.add_argument("--portrait", type=int, default=7, help="its place in tests/portraits")
    options = parser.parse_args()
    session = opened(find_model(options.model))
    made = composite_of(photos_with_masks(PORTRAITS)[options.portrait], options.portrait)
    names = [f"{part}{i}" for i in BLOCKS for part in PARTS]
    values = session.run(names, feed_of(session, made))
    found = {name: value[0] for name, value in zip(names, values, strict=True)}
    head = np.full((HEAD, CELL * len(HEADS), 3), 255, np.uint8)
    for i, text in enumerate(HEADS):
        place = (i * CELL + 4, HEAD - 9)
        cv2.putText(head, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    rows = [head]
    for i, grid in BLOCKS.items():
        first = patched(made.image, made.mask, grid)
        cells = [cv2.resize(first, (CELL - 4, CELL - 4), interpolation=cv2.INTER_AREA)]
        cells += colored([found[f"{part}{i}"] for part in PARTS])
        white = [(0, 4), (0, 4), (0, 0)]
        rows.append(np.hstack([np.pad(c, white, constant_values=255) for c in cells]))
    write_jpeg(options.output, np.vstack(rows), 85)


if __name__ == "__main__":
    main()
