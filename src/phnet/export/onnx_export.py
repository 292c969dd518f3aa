"""From a trained network to the ONNX file that the product runs.

Inputs ``image`` and ``mask`` in this order, NCHW float32, any batch, height and width, and, where
the network has a statistics branch, ``light`` (batch,); outputs ``harmonized``, blended (eq. 1),
and, where it has one, ``field``, colors and detail for a picture of any size. The file's metadata
hold a card, JSON under the key ``phnet``.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from phnet.errors import BadData, BadModel
from phnet.export.chunks import write_pieces
from phnet.export.matte_onnx import to_onnx as to_matte_onnx
from phnet.export.model_info import gflop_256, load_any
from phnet.export.quantize import Feed, composites, quantize
from phnet.export.tracing import LARGEST_DIFFERENCE, traced
from phnet.files import write_bytes
from phnet.harmonization.model_file import DEFAULT_LIGHT
from phnet.networks import PHNet
from phnet.networks.mattenet import MatteNet

# With smaller storage the bounds only catch what is broken; docs/released.md has the cost in dB.
LARGEST_DIFFERENCE_FP16 = 2e-2
LARGEST_DIFFERENCE_INT8 = 1e-1  # on the composites that it was calibrated on
SIZES = ((64, 64), (96, 128), (37, 51))


def export_file(
    source: str | Path,
    path: str | Path,
    storage: str = "fp32",
    resolution: int = 256,
    name: str | None = None,
    pieces: bool = False,
    calibrate: str | Path | None = None,
) -> tuple[float, list[Path]]:
    """Export the network in a file; see :func:`export`.

    Args:
        source: a checkpoint of ours or a published state dict.
        path: the ONNX file; with ``pieces`` the name that the pieces start with.
        storage: see :func:`export`.
        resolution: side of the square that the network is to work at.
        name: what the card calls it; None keeps the source's name.
        pieces: write sum-checked pieces of at most 15 MB instead of one file.
        calibrate: for int8, a folder of photos with masks (FOLDER/train, or FOLDER itself).

    Returns:
        The largest difference seen, and the files written.
    """
    net, card = load_any(source)
    if isinstance(net, MatteNet):
        return _export_matte(net, path, card, storage, resolution, name)
    card |= {"resolution": resolution, "storage": storage, "name": name or card["name"]}
    card["gflop_256"] = gflop_256(net)
    if takes_light(net):
        card["light"] = DEFAULT_LIGHT
    feeds: list[Feed] = []
    if storage == "int8":
        if calibrate is None:
            raise BadData("int8: expected a folder of photos with masks to calibrate on")
        feeds = composites(calibrate, resolution, int(card.get("multiple", 1)), takes_light(net))
    content, difference = checked(net, path, card, storage, feeds)
    if pieces:
        return difference, write_pieces(content, Path(path))
    write_bytes(path, content)
    return difference, [Path(path)]


def _export_matte(
    net: MatteNet,
    path: str | Path,
    card: dict[str, Any],
    storage: str,
    resolution: int,
    name: str | None,
) -> tuple[float, list[Path]]:
    """A matting network has one size and one input; ``phnet matte --matte FILE`` runs it."""
    if storage == "int8":
        raise BadData("int8: expected a harmonization network, got one for mattes")
    card |= {"resolution": resolution, "storage": storage, "name": name or card["name"]}
    content, difference = to_matte_onnx(net, card, resolution)
    write_bytes(path, store_as_fp16(content) if storage == "fp16" else content)
    return difference, [Path(path)]


def export(
    net: nn.Module,
    path: str | Path,
    card: dict[str, Any],
    storage: str = "fp32",
    feeds: Sequence[Feed] = (),
) -> float:
    """Write ``net`` as ONNX after comparing the two.

    Args:
        net: called as ``net(image, mask)``.
        path: the file to write.
        card: what the file says of itself: name, resolution, ...; ``multiple`` where height and
            width must be multiples of a number.
        storage: "fp32"; "fp16": weights are stored in half the space and computed with in
            float32; or "int8": convolutions in whole numbers (:mod:`phnet.export.quantize`).
        feeds: for int8, the composites to calibrate on.

    Returns:
        The largest difference seen.

    Raises:
        BadModel: ONNX Runtime and torch disagree by more than 1e-4 (fp16: also 2e-2 as stored,
            int8: also 0.1 on ``feeds`` as stored); nothing is written.
    """
    content, difference = checked(net, path, card, storage, feeds)
    write_bytes(path, content)
    return difference


def checked(
    net: nn.Module,
    path: str | Path,
    card: dict[str, Any],
    storage: str,
    feeds: Sequence[Feed] = (),
) -> tuple[bytes, float]:
    """The ONNX file's content and the largest difference; arguments as in :func:`export`."""
    net = net.eval().float()
    content = to_onnx(net, card)
    pictures = samples(int(card.get("multiple", 1)), takes_light(net))
    difference = _within(LARGEST_DIFFERENCE, net, content, pictures, path)
    if storage == "fp16":
        content = store_as_fp16(content)
        difference = _within(LARGEST_DIFFERENCE_FP16, net, content, pictures, path)
    elif storage == "int8":
        # In float16 what stays outside the whole numbers.
        content = store_as_fp16(quantize(content, feeds, card.get("pn_layers", ())))
        difference = _within(LARGEST_DIFFERENCE_INT8, net, content, feeds, path)
    return content, difference


def _within(
    limit: float, net: nn.Module, content: bytes, feeds: Iterable[Feed], path: str | Path
) -> float:
    difference = largest_difference(net, content, feeds)
    if not difference <= limit:
        raise BadModel(
            f"{path}: torch and ONNX Runtime differ by {difference:.2g}, more than {limit:g}; "
            "nothing is written"
        )
    return difference


def to_onnx(net: nn.Module, card: dict[str, Any]) -> bytes:
    """The network as a serialized ONNX model with dynamic batch, height and width."""
    inputs = {"image": torch.rand(2, 3, 64, 96), "mask": torch.rand(2, 1, 64, 96)}
    outputs = ["harmonized"]
    axes = {name: {0: "batch", 2: "height", 3: "width"} for name in (*inputs, *outputs)}
    if isinstance(net, PHNet) and net.config.output == "field":
        net = _WithField(net).eval()  # the exporter gives it back in the mode that it had
        outputs.append("field")
        axes["field"] = {0: "batch", 2: "rows", 3: "columns"}
        if net.net.statistics is not None:
            inputs["light"] = torch.tensor([0.0, 1.0])
            axes["light"] = {0: "batch"}
    return traced(net, inputs, outputs, card, axes)


class _WithField(nn.Module):
    """A network that returns its field, too."""

    def __init__(self, net: PHNet) -> None:
        super().__init__()
        self.net = net

    def forward(
        self, image: Tensor, mask: Tensor, light: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The harmonized picture (B, 3, H, W) and the field (B, 13, h, w)."""
        field = self.net.field(image, mask, light)
        predicted = self.net.applied(image, field)
        return predicted * mask + image * (1 - mask), field


def store_as_fp16(content: bytes) -> bytes:
    """The same model with its convolutions' weights stored as float16 behind a Cast."""
    model = onnx.load_from_string(content)
    graph = model.graph
    kept, casts = [], []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 4:
            kept.append(tensor)
            continue
        half = numpy_helper.to_array(tensor).astype(np.float16)
        stored = numpy_helper.from_array(half, tensor.name + "_fp16")
        kept.append(stored)
        casts.append(helper.make_node("Cast", [stored.name], [tensor.name], to=TensorProto.FLOAT))
    del graph.initializer[:]
    graph.initializer.extend(kept)
    nodes = casts + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def takes_light(net: nn.Module) -> bool:
    """Tell whether a network has the input ``light``."""
    return isinstance(net, PHNet) and net.statistics is not None


def samples(multiple: int, light: bool = False) -> list[Feed]:
    """Images and masks to compare on: noise and soft pictures, hard and soft and full masks.

    The soft pictures have the grain of a photo: where a channel has next to no variance, PN blocks
    divide by it, and float32 itself is only good to about 1e-4, in torch as in ONNX Runtime.
    """
    rng = np.random.default_rng(0)
    feeds: list[Feed] = []
    for height, width in SIZES:
        height, width = (max(1, side // multiple) * multiple for side in (height, width))
        ramp = np.linspace(0, 1, width)[None] * np.linspace(0.2, 1, height)[:, None]
        soft = np.stack([ramp, ramp**2, 1 - ramp])[None]
        soft = np.clip(soft + rng.normal(0, 0.02, soft.shape), 0, 1)
        disc = np.hypot(*np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height)))
        masks = [disc < 0.6, np.clip(2 - 2 * disc, 0, 1), np.ones_like(disc)]
        for picture in (soft, rng.random((1, 3, height, width))):
            for mask in masks:
                image = picture.astype(np.float32)
                feed = {"image": image, "mask": mask[None, None].astype(np.float32)}
                if light:
                    feed["light"] = np.array([len(feeds) % 3 / 2], np.float32)
                feeds.append(feed)
    return feeds


def largest_difference(net: nn.Module, content: bytes, feeds: Iterable[Feed]) -> float:
    """The largest absolute difference between torch and ONNX Runtime over ``feeds``."""
    import onnxruntime as ort

    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    worst = 0.0
    for feed in feeds:
        with torch.no_grad():
            expected: Tensor = net(*(torch.from_numpy(value) for value in feed.values()))
        (got,) = session.run(["harmonized"], feed)
        difference = np.abs(got - expected.numpy()).max()
        worst = max(worst, float(difference) if np.isfinite(difference) else float("inf"))
    logging.getLogger(__name__).info("torch and ONNX Runtime differ by %.2g at most", worst)
    return worst
