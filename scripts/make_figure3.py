"""Figure 3 of the paper for the shipped weights: what the PFE gives, and the channel weights.

    pip install -e '.[train]'
    python scripts/make_figure3.py -o docs/figure3.jpg

For some of the committed portraits: the composite, the PFE's picture (its foreground all but
vanishes, section 4.2), and one bar for each channel of the encoder's last layer: the weight of
squeeze and excitation in gray, and what the PFE's vector adds to it in red or blue.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
from make_results import PORTRAITS, SEED
from onnx import helper

from phnet.datasets.benchmark_sets import photos_with_masks
from phnet.datasets.synthesis import make_composite
from phnet.files import replacing
from phnet.harmonization.harmonizer import find_model
from phnet.images import load, load_mask
from phnet.images.arrays import to_uint8

SIDE = 256
PATCHES = {"excitation": "/attention/Sigmoid", "weights": "/attention/Add"}
POOLED = "/attention/ReduceMean_1"  # averages the PFE's picture


def opened(path: Path) -> ort.InferenceSession:
    """The network with the PFE's picture and the channel weights as further outputs."""
    model = onnx.load(path)
    nodes = {node.name: node for node in model.graph.node}
    missing = [name for name in (*PATCHES.values(), POOLED) if name not in nodes]
    if missing:
        sys.exit(f"{path}: expected a network with a PFE, but it has no {', '.join(missing)}")
    wanted = {"picture": nodes[POOLED].input[0]}
    wanted |= {key: nodes[name].output[0] for key, name in PATCHES.items()}
    for key, tensor in wanted.items():
        model.graph.node.append(helper.make_node("Identity", [tensor], [key]))
        model.graph.output.append(helper.make_empty_tensor_value_info(key))
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def composite_of(files: tuple[Path, Path], number: int) -> Any:
    """The paper's composite of a portrait, at SIDE, by its place in the set."""
    photo, mask = (
        cv2.resize(to_uint8(plane), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        for plane in (load(files[0]).rgb, load_mask(files[1]))
    )
    return make_composite(photo, mask, [SEED, number])


def feed_of(session: ort.InferenceSession, made: Any) -> dict[str, Any]:
    """What the network is handed: composite, mask and, where it takes one, light 0."""
    feed = {
        "image": made.image.astype(np.float32).transpose(2, 0, 1)[None] / 255,
        "mask": made.mask.astype(np.float32)[None, None],
        "light": np.zeros(1, np.float32),
    }
    return {each.name: feed[each.name] for each in session.get_inputs()}


def seen(session: ort.InferenceSession, made: Any) -> list[Any]:
    """Composite and the PFE's picture side by side, the excitation, and what the PFE adds to it."""
    feed = feed_of(session, made)
    picture, excitation, weights = session.run(["picture", "excitation", "weights"], feed)
    pfe = to_uint8(np.clip(picture[0].transpose(1, 2, 0), 0, 1))  # half as large with shrink = 2
    pfe = cv2.resize(pfe, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return [np.hstack([made.image, pfe]), excitation[0], weights[0] - excitation[0]]


def bars(base: Any, added: Any, bottom: float, top: float) -> Any:
    """Gray bars from zero to ``base``; from there ``added``, red upwards and blue downwards."""
    canvas = np.full((SIDE, 2 * SIDE, 3), 255, np.uint8)
    step = (2 * SIDE - 16) / len(base)

    def y(value: float) -> int:
        return round(8 + (SIDE - 16) * (top - value) / (top - bottom))

    for i, (b, a) in enumerate(zip(base.tolist(), added.tolist(), strict=True)):
        left, right = round(8 + i * step), max(round(8 + (i + 1) * step) - 2, round(8 + i * step))
        cv2.rectangle(canvas, (left, y(b)), (right, y(0)), (190, 190, 190), -1)
        color = (200, 40, 40) if a > 0 else (40, 70, 200)
        cv2.rectangle(canvas, (left, y(b)), (right, y(b + a)), color, -1)
    for value in (0.0, 1.0):
        cv2.line(canvas, (8, y(value)), (2 * SIDE - 8, y(value)), (0, 0, 0), 1)
    return canvas


def write_jpeg(output: Path, picture: Any, quality: int) -> None:
    """Write a figure, RGB uint8 (H, W, 3), and say how large it is."""
    good, encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert good
    with replacing(output) as temporary:
        temporary.write_bytes(encoded.tobytes())
    print(f"{output}  {len(encoded) / 1e3:.0f} kB")


def main() -> None:
    """Write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/figure3.jpg"))
    parser.add_argument("--model", help="another ONNX file than the shipped one")
    parser.add_argument("--count", type=int, default=4, help="portraits")
    options = parser.parse_args()
    session = opened(find_model(options.model))
    files = photos_with_masks(PORTRAITS)
    chosen = np.linspace(0, len(files) - 1, options.count).round().astype(int)
    rows = [seen(session, composite_of(files[i], i)) for i in chosen.tolist()]
    sums = [base + added for _, base, added in rows]
    bottom, top = min(0.0, float(np.min(sums))), max(1.0, float(np.max(sums)))
    lines = [np.hstack([left, bars(base, added, bottom, top)]) for left, base, added in rows]
    write_jpeg(options.output, np.vstack(lines), 80)


if __name__ == "__main__":
    main()
