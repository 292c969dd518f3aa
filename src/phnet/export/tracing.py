"""A torch network as ONNX: traced, named, with its card, and checked for its form."""

import io
import json
import warnings
from collections.abc import Sequence
from typing import Any, cast

import onnx
import torch
from onnx import helper
from torch import Tensor, nn

LARGEST_DIFFERENCE = 1e-4  # between torch and ONNX Runtime, float32
OPSET = 18


def traced(
    net: nn.Module,
    inputs: dict[str, Tensor],
    outputs: Sequence[str],
    card: dict[str, Any],
    dynamic_axes: dict[str, dict[int, str]] | None = None,
) -> bytes:
    """The serialized ONNX model of ``net``; what it computes is the caller's to compare.

    Args:
        net: called with the values of ``inputs`` in their order.
        inputs: an example of each input, by name.
        outputs: the names of what it returns.
        card: what the file says of itself, kept as JSON under the key ``phnet``.
        dynamic_axes: names of the axes that may change, for inputs and outputs.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # The tracing exporter is marked as older than the one through torch.export, whose
        # guards refuse sizes below a stage's halvings; what it gives is compared afterwards.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            tuple(inputs.values()),
            cast(Any, buffer),  # a file-like object is fine, the annotation is narrower
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=dynamic_axes,
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    leave_out_repeats(model)
    model.producer_name = "phnet"
    helper.set_model_props(model, {"phnet": json.dumps(card, sort_keys=True)})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def leave_out_repeats(model: onnx.ModelProto) -> None:
    """Compute once what several nodes of a graph compute alike: it loads a fifth faster.

    Tracing writes a constant and a shape anew wherever one is used.
    """
    graph = model.graph
    outputs = {output.name for output in graph.output}
    names: dict[str, str] = {}
    kept: dict[tuple[Any, ...], onnx.NodeProto] = {}
    nodes = []
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = names.get(name, name)
        attributes = sorted(attribute.SerializeToString() for attribute in node.attribute)
        key = (node.op_type, node.domain, *node.input, None, *attributes, len(node.output))
        if key in kept and not outputs & set(node.output):
            names.update(zip(node.output, kept[key].output, strict=True))
        else:
            kept.setdefault(key, node)
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
