"""Transposed convolutions as plain ones: the same numbers."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")


def model(kernel: np.ndarray, **attributes: object) -> "onnx.ModelProto":
    h, floats = onnx.helper, onnx.TensorProto.FLOAT
    bias = np.arange(kernel.shape[1], dtype=np.float32)
    weights = [onnx.numpy_helper.from_array(v, n) for v, n in ((kernel, "w"), (bias, "b"))]
    node = h.make_node("ConvTranspose", ["x", "w", "b"], ["y"], name="up", **attributes)
    graph = h.make_graph(
        [node],
        "g",
        [h.make_tensor_value_info("x", floats, [1, kernel.shape[0], "h", "w_"])],
        [h.make_tensor_value_info("y", floats, [1, kernel.shape[1], "u", "v"])],
        weights,
    )
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 18)], ir_version=9)


def run(content: "onnx.ModelProto", values: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(content.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": values})[0])


@pytest.mark.parametrize(("side", "stride"), [(3, 1), (4, 2)])
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (16, 3)])
def test_the_same_numbers_come_out(side: int, stride: int, size: tuple[int, int]) -> None:
    from phnet.export.transposed_conv import without_transposed

    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(5, 7, side, side)).astype(np.float32)
    before = model(kernel, pads=[1, 1, 1, 1], strides=[stride, stride])
    after = without_transposed(before)
    assert {node.op_type for node in before.graph.node} == {"ConvTranspose"}
    assert "ConvTranspose" not in {node.op_type for node in after.graph.node}
    values = rng.normal(size=(1, 5, *size)).astype(np.float32)
    expected = run(before, values)
    assert expected.shape[2:] == (size[0] * stride, size[1] * stride)
    np.testing.assert_allclose(run(after, values), expected, atol=2e-5)


def test_others_stay() -> None:
    from phnet.export.transposed_conv import without_transposed

    kernel = np.ones((2, 3, 4, 4), np.float32)
    for about in (
        {"pads": [0, 0, 0, 0], "strides": [2, 2]},
        {"pads": [1, 1, 1, 1], "strides": [1, 1]},
        {"pads": [1, 1, 1, 1], "strides": [2, 2], "output_padding": [1, 1]},
    ):
        (node,) = without_transposed(model(kernel, **about)).graph.node
        assert node.op_type == "ConvTranspose"
