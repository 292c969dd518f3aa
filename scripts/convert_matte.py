"""Make src/phnet/weights/matte.onnx from MediaPipe's selfie_segmentation.tflite.

The file is a member of a wheel on PyPI (Apache-2.0, Google; the wheel need not be installed)::

    pip install tflite==2.18.0 onnx
    pip download --no-deps mediapipe==0.10.21
    unzip mediapipe-*.whl 'mediapipe/modules/selfie_segmentation/*'
    python scripts/convert_matte.py \
        mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite \
        src/phnet/weights/matte.onnx

The graph is translated operator by operator, NHWC to NCHW. Weights stay float16 as they are
stored, cast to float32 where they are used. ``tests/matting/test_matte.py`` holds the parity.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper

ONNX_OPSET = 17
CARD = {
    "name": "matte",
    "resolution": 256,
    "source": "MediaPipe selfie_segmentation.tflite, from mediapipe==0.10.21 on PyPI",
    "authors": "Google LLC, the MediaPipe authors",
    "license": "Apache-2.0",
    "changes": "converted from TensorFlow Lite to ONNX (NCHW), weights unchanged",
    "input": "image: float32 (1, 3, 256, 256), RGB in [0, 1], the photo stretched to the square",
    "output": "alpha: float32 (1, 1, 256, 256) in [0, 1]",
}
OPERATORS = {number: name for name, number in vars(tflite.BuiltinOperator).items()}
# Elementwise operators that differ by name alone.
PLAIN = {
    "RELU": "Relu",
    "LOGISTIC": "Sigmoid",
    "HARD_SWISH": "HardSwish",
    "ADD": "Add",
    "MUL": "Mul",
    "AVERAGE_POOL_2D": "GlobalAveragePool",
}


class Converter:
    """Translates one TensorFlow Lite graph; see :meth:`convert`."""

    def __init__(self, content: bytes) -> None:
        self.model = tflite.Model.GetRootAs(content, 0)
        self.graph = self.model.Subgraphs(0)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[int, np.ndarray] = {}  # by tensor number, as stored
        self.initializers: list[onnx.TensorProto] = []

    def convert(self) -> onnx.ModelProto:
        """Return the checked ONNX model."""
        for number in range(self.graph.OperatorsLength()):
            self._operator(self.graph.Operators(number))
        source, result = int(self.graph.Inputs(0)), int(self.graph.Outputs(0))
        for node in self.nodes:
            for names, old, new in (
                (node.input, f"t{source}", "image"),
                (node.output, f"t{result}", "alpha"),
            ):
                for place, name in enumerate(names):
                    if name == old:
                        names[place] = new
        graph = helper.make_graph(
            self.nodes,
            "selfie_segmentation",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 256, 256])],
            [helper.make_tensor_value_info("alpha", TensorProto.FLOAT, [1, 1, 256, 256])],
            self.initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", ONNX_OPSET)])
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        return model

    def _operator(self, operator: Any) -> None:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        kind = OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs = [int(i) for i in operator.InputsAsNumpy()]
        output = int(operator.Outputs(0))
        if kind == "DEQUANTIZE":
            self.weights[output] = self._stored(inputs[0])
        elif kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            self._convolution(kind, operator, inputs, output)
        elif kind == "RESIZE_BILINEAR":
            self._resize(operator, inputs, output)
        elif kind == "CUSTOM" and code.CustomCode() == b"Convolution2DTransposeBias":
            self._upconvolution(operator, inputs, output)
        elif kind in PLAIN:
            if kind == "AVERAGE_POOL_2D" and self._shape(output)[1:3] != [1, 1]:
                raise ValueError("only global average pooling is expected")
            self._node(PLAIN[kind], [f"t{i}" for i in inputs], output)
        else:
            raise ValueError(f"operator {kind} is not expected in this model")

    def _convolution(self, kind: str, operator: Any, inputs: list[int], output: int) -> None:
        depthwise = kind == "DEPTHWISE_CONV_2D"
        options = tflite.DepthwiseConv2DOptions() if depthwise else tflite.Conv2DOptions()
        options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
        if options.FusedActivationFunction() or options.DilationHFactor() != 1:
            raise ValueError("a fused activation or dilation is not expected")
        kernel = self.weights[inputs[1]]
        # (out, kh, kw, in), or (1, kh, kw, channels) for depthwise, to (out, in / group, kh, kw).
        kernel = kernel.transpose(3, 0, 1, 2) if depthwise else kernel.transpose(0, 3, 1, 2)
        stride = options.StrideH()
        pads = [0, 0, 0, 0]
        if options.Padding() == tflite.Padding.SAME:
            height, width = self._shape(inputs[0])[1:3]
            top, bottom = _same(height, kernel.shape[2], stride)
            left, right = _same(width, kernel.shape[3], stride)
            pads = [top, left, bottom, right]
        names = [
            f"t{inputs[0]}",
            self._weight(inputs[1], kernel),
            self._weight(inputs[2], self.weights[inputs[2]]),
        ]
        group = kernel.shape[0] if depthwise else 1
        self._node("Conv", names, output, strides=[stride, stride], pads=pads, group=group)

    def _resize(self, operator: Any, inputs: list[int], output: int) -> None:
        options = tflite.ResizeBilinearOptions()
        options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
        if options.AlignCorners() or not options.HalfPixelCenters():
            raise ValueError("only half-pixel centers are expected")
        before, after = self._shape(inputs[0]), self._shape(output)
        scales = np.array([1, 1, after[1] / before[1], after[2] / before[2]], np.float32)
        name = f"scales{output}"
        self.initializers.append(numpy_helper.from_array(scales, name))
        self._node(
            "Resize",
            [f"t{inputs[0]}", "", name],
            output,
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )

    def _upconvolution(self, operator: Any, inputs: list[int], output: int) -> None:
        # MediaPipe's own operator; its options are three int32: padding (1 = SAME), strides.
        _, *strides = np.frombuffer(operator.CustomOptionsAsNumpy().tobytes(), np.int32).tolist()
        kernel = self.weights[inputs[1]].transpose(
            3, 0, 1, 2
        )  # (out, kh, kw, in) to (in, out, kh, kw)
        if list(kernel.shape[2:]) != strides:
            raise ValueError("only a kernel as large as its stride is expected")
        names = [
            f"t{inputs[0]}",
            self._weight(inputs[1], kernel),
            self._weight(inputs[2], self.weights[inputs[2]]),
        ]
        self._node("ConvTranspose", names, output, strides=strides)

    def _node(self, kind: str, inputs: list[str], output: int, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [f"t{output}"], **attributes))

    def _weight(self, number: int, value: np.ndarray) -> str:
        stored, used = f"stored{number}", f"weight{number}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), stored))
        self.nodes.append(helper.make_node("Cast", [stored], [used], to=TensorProto.FLOAT))
        return used

    def _stored(self, number: int) -> np.ndarray:
        tensor = self.graph.Tensors(number)
        if tensor.Type() != tflite.TensorType.FLOAT16:
            raise ValueError("only float16 weights are expected")
        content = self.model.Buffers(tensor.Buffer()).DataAsNumpy()
        return content.view(np.float16).reshape(self._shape(number))

    def _shape(self, number: int) -> list[int]:
        return [int(side) for side in self.graph.Tensors(number).ShapeAsNumpy()]


def _same(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding before and after, as TensorFlow's SAME: the odd pixel goes after."""
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


def main() -> None:
    """Convert the file named first into the file named second."""
    if len(sys.argv) != 3:
        sys.exit("usage: convert_matte.py selfie_segmentation.tflite matte.onnx")
    content = Path(sys.argv[1]).read_bytes()
    model = Converter(content).convert()
    card = {**CARD, "source_sha256": hashlib.sha256(content).hexdigest()}
    helper.set_model_props(model, {"phnet": json.dumps(card)})
    Path(sys.argv[2]).write_bytes(model.SerializeToString())
    print(f"{sys.argv[2]}: {len(model.graph.node)} nodes, {model.ByteSize():,} bytes")


if __name__ == "__main__":
    main()
