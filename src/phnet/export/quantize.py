"""Convolutions in whole numbers (int8) for an exported network, calibrated on composites.

Left in float32: the first convolution, all statistics, and the merging convolutions behind a PN
block. What those read has heavy tails (features divided by a deviation that may be small), which
256 even steps cannot hold. Transposed convolutions become plain ones first.

Weights have 7 bits: where a processor adds pairs of products in 16 bits (AVX2 without VNNI), 8 bits
would overflow, and the result would depend on the machine.
"""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx

from phnet.datasets.synthesis import make_composite
from phnet.errors import BadData
from phnet.export.transposed_conv import without_transposed
from phnet.images.arrays import Floats
from phnet.training.sources import photo_sources

Feed = dict[str, Floats]  # the network's inputs, by name

COMPOSITES = 48  # made of as many photos, evenly spaced in the folder


def composites(folder: str | Path, side: int, multiple: int = 1, light: bool = False) -> list[Feed]:
    """Composites (section 3.2) of up to 48 photos, seeds fixed.

    Args:
        folder: photos ``ID.jpg`` with masks ``ID.png`` in FOLDER/train, or in FOLDER itself.
        side: of the square that they are resized to.
        multiple: the side is rounded down to a multiple of this.
        light: whether the network takes one; every second composite then has light 1.

    Raises:
        BadData: there are none, or one cannot be read.
    """
    sources = photo_sources([str(folder)], "train")
    if not sources:
        raise BadData(f"{folder}: expected photos with masks (ID.jpg, ID.png), found none")
    side = side // multiple * multiple
    feeds: list[Feed] = []
    for seed, source in enumerate(sources[:: -(-len(sources) // COMPOSITES)]):
        try:
            planes = source.load()
        except (OSError, ValueError) as error:
            raise BadData(f"{source.id}: expected a photo with a mask, but {error}") from error
        resized = cv2.resize(planes, (side, side), interpolation=cv2.INTER_AREA)
        square = np.asarray(resized, np.uint8)
        made = make_composite(square[..., :3], square[..., 3], seed)
        image = made.image.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
        feed = {"image": image, "mask": made.mask[None, None].astype(np.float32)}
        if light:
            feed["light"] = np.array([seed % 2], np.float32)
        feeds.append(feed)
    return feeds


def quantize(content: bytes, feeds: Sequence[Feed], pn_layers: Iterable[int]) -> bytes:
    """The same model with int8 weights and uint8 features in most of its convolutions.

    Args:
        content: a serialized ONNX model from :func:`phnet.export.onnx_export.to_onnx`.
        feeds: what the features' ranges are measured on.
        pn_layers: decoder layers (1 to 6) with a PN block.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Calibration(CalibrationDataReader):  # type: ignore[misc] # onnxruntime has no types
        def __init__(self) -> None:
            self.left = iter(feeds)

        def get_next(self) -> Feed | None:
            return next(self.left, None)

    model = without_transposed(onnx.load_from_string(content))
    # where features that a PN block gave are merged, in our network and in the released small one
    merging = ("/decoder.{}/merge/", "/skip.{}/")
    behind_pn = tuple(name.format(n - 1) for n in pn_layers for name in merging)
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    excluded = [name for name in convolutions if name.startswith(behind_pn)] + convolutions[:1]
    options: dict[str, Any] = {
        "op_types_to_quantize": ["Conv"],
        "nodes_to_exclude": excluded,
        "per_channel": True,
        "reduce_range": True,
        "activation_type": QuantType.QUInt8,
        "weight_type": QuantType.QInt8,
    }
    with tempfile.TemporaryDirectory() as folder:
        given, prepared = Path(folder) / "given.onnx", Path(folder) / "prepared.onnx"
        quantized = Path(folder) / "int8.onnx"
        onnx.save(model, given)  # of a model in memory ONNX Runtime before 1.32 loses the weights
        quant_pre_process(given, prepared, skip_symbolic_shape=True)
        quantize_static(prepared, quantized, Calibration(), **options)
        small = onnx.load(quantized)
    del small.metadata_props[:]
    small.metadata_props.extend(model.metadata_props)
    small.producer_name = model.producer_name
    return bytes(small.SerializeToString())
