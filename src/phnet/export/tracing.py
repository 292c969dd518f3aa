"""A torch network as ONNX: traced, named, with its card, and checked for its form."""

import io
import json
import warnings
from collections.abc import Sequence
from typing import Any, cast

import onnx
import onnx_ir as ir
import torch
from onnx import helper
from onnx_ir.passes.common import CommonSubexpressionEliminationPass
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
    model = without_repeats(onnx.load_from_string(buffer.getvalue()))
    model.producer_name = "phnet"
    helper.set_model_props(model, {"phnet": json.dumps(card, sort_keys=True)})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def without_repeats(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model that computes once what several of its nodes compute alike: it loads a fifth faster.

    Tracing writes a constant and a shape anew wherever one is used.
    """
    graph = ir.from_proto(model)
    CommonSubexpressionEliminationPass()(graph)
    made = ir.to_proto(graph)
    del made.graph.output[:]  # one that is computed elsewhere, too, loses its type
    made.graph.output.extend(model.graph.output)
    return made
