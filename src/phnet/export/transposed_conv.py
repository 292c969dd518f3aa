"""Transposed convolutions of an ONNX graph as plain ones, which compute the same.

ONNX Runtime has no transposed convolution in whole numbers. One of stride 1 is a plain convolution
with its kernel turned. Of one of stride 2, with a kernel of 4 and a margin of 1, each of the four
phases of the output is a convolution with a kernel of 2: out[2m] takes x[m - 1] k[3] + x[m] k[1],
and out[2m + 1] takes x[m] k[2] + x[m + 1] k[0].
"""

from itertools import product

import numpy as np
import onnx
from onnx import helper, numpy_helper

from phnet.images.arrays import Floats

TAPS = ([3, 1], [2, 0])  # of a kernel of 4, for even and for odd places of the output


def without_transposed(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of ``model`` with the transposed convolutions named above replaced; others stay."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        kind = _kind(node, weights)
        if kind == 1:
            nodes.append(_turned(graph, node, weights[node.input[1]]))
        elif kind == 2:
            nodes += _phases(graph, node, weights[node.input[1]])
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    onnx.checker.check_model(result)
    return result


def _kind(node: onnx.NodeProto, weights: dict[str, Floats]) -> int:
    """The stride of a transposed convolution that can be replaced; 0: none, or another one."""
    if node.op_type != "ConvTranspose" or node.input[1] not in weights:
        return 0
    about = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    plain = about.get("group", 1) == 1 and set(about.get("dilations", [1])) == {1}
    if not plain or about.get("output_padding") or about.get("pads") != [1, 1, 1, 1]:
        return 0
    shape = weights[node.input[1]].shape[2:], tuple(about.get("strides", ()))
    return {((3, 3), (1, 1)): 1, ((4, 4), (2, 2)): 2}.get(shape, 0)


def _stored(graph: onnx.GraphProto, values: Floats, name: str) -> str:
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
    return name


def _turned(graph: onnx.GraphProto, node: onnx.NodeProto, kernel: Floats) -> onnx.NodeProto:
    turned = kernel.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    inputs = [node.input[0], _stored(graph, turned, node.name + "/weight"), *node.input[2:]]
    return helper.make_node(
        "Conv", inputs, node.output, name=node.name, kernel_shape=[3, 3], pads=[1, 1, 1, 1]
    )


def _phases(graph: onnx.GraphProto, node: onnx.NodeProto, kernel: Floats) -> list[onnx.NodeProto]:
    nodes, parts = [], []
    for down, across in product((0, 1), repeat=2):
        name = f"{node.name}/{down}{across}"
        taps = kernel[:, :, TAPS[down]][..., TAPS[across]].transpose(1, 0, 2, 3)
        inputs = [node.input[0], _stored(graph, taps, name + "/weight"), *node.input[2:]]
        pads = [1 - down, 1 - across, down, across]
        nodes.append(
            helper.make_node("Conv", inputs, [name], name=name, kernel_shape=[2, 2], pads=pads)
        )
        parts.append(name)
    together = node.name + "/phases"
    nodes.append(helper.make_node("Concat", parts, [together], name=together, axis=1))
    nodes.append(
        helper.make_node(
            "DepthToSpace", [together], node.output, name=node.name, blocksize=2, mode="DCR"
        )
    )
    return nodes
