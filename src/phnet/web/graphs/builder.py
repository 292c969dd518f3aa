"""ONNX graphs written as arithmetic: ``(a - b) * 2`` adds the nodes that compute it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

OPSET = 18
Type = npt.DTypeLike


@dataclass(frozen=True)
class Value:
    """Output of a node: its name in the graph, and the type of its elements."""

    graph: "Graph"
    name: str
    dtype: np.dtype[Any]

    def __add__(self, other: Any) -> "Value":
        return self.graph.op("Add", self, other)

    def __radd__(self, other: Any) -> "Value":
        return self.graph.op("Add", self, other)

    def __sub__(self, other: Any) -> "Value":
        return self.graph.op("Sub", self, other)

    def __rsub__(self, other: Any) -> "Value":
        return self.graph.constant(other, self.dtype) - self

    def __mul__(self, other: Any) -> "Value":
        return self.graph.op("Mul", self, other)

    def __rmul__(self, other: Any) -> "Value":
        return self.graph.op("Mul", self, other)

    def __truediv__(self, other: Any) -> "Value":
        return self.graph.op("Div", self, other)

    def __rtruediv__(self, other: Any) -> "Value":
        return self.graph.constant(other, self.dtype) / self

    def __floordiv__(self, other: Any) -> "Value":
        """Of whole numbers that are not negative: ONNX cuts towards zero."""
        return self.graph.op("Div", self, other)

    def __matmul__(self, other: "Value") -> "Value":
        return self.graph.op("MatMul", self, other)

    def __gt__(self, other: Any) -> "Value":
        return self.graph.op("Greater", self, other, dtype=np.bool_)

    def __lt__(self, other: Any) -> "Value":
        return self.graph.op("Less", self, other, dtype=np.bool_)

    def equals(self, other: Any) -> "Value":
        """Elementwise equality."""
        return self.graph.op("Equal", self, other, dtype=np.bool_)

    def both(self, other: "Value") -> "Value":
        """Elementwise logical and."""
        return self.graph.op("And", self, other)

    def cast(self, dtype: Type) -> "Value":
        """The same numbers in another type."""
        dtype = np.dtype(dtype)
        to = helper.np_dtype_to_tensor_dtype(dtype)
        return self if dtype == self.dtype else self.graph.op("Cast", self, dtype=dtype, to=to)

    def at_least(self, low: Any) -> "Value":
        """Elementwise maximum."""
        return self.graph.op("Max", self, low)

    def at_most(self, high: Any) -> "Value":
        """Elementwise minimum."""
        return self.graph.op("Min", self, high)

    def between(self, low: float, high: float) -> "Value":
        """Clipped."""
        return self.graph.op("Clip", self, low, high)

    def rounded(self) -> "Value":
        """To the nearest whole number, halves to even."""
        return self.graph.op("Round", self)

    def sum(self, axis: int, keep: bool = False) -> "Value":
        """Along one axis."""
        return self.graph.op("ReduceSum", self, self.graph.whole([axis]), keepdims=int(keep))

    def largest(self) -> "Value":
        """Of all elements, a scalar."""
        return self.graph.op("ReduceMax", self, keepdims=0)

    def take(self, indices: "Value | int", axis: int = 0) -> "Value":
        """Elements along an axis; a number takes the axis away."""
        if isinstance(indices, int):
            indices = self.graph.whole(indices)
        return self.graph.op("Gather", self, indices, axis=axis)

    def part(self, start: Any, stop: Any, axis: int = 0) -> "Value":
        """``start`` to ``stop`` along an axis."""
        graph = self.graph
        limits = [
            v.reshape([1]) if isinstance(v, Value) else graph.whole([v]) for v in (start, stop)
        ]
        return graph.op("Slice", self, *limits, graph.whole([axis]))

    def reshape(self, shape: "Value | Sequence[Any]") -> "Value":
        """Of another shape; a sequence may hold numbers and scalars of the graph."""
        return self.graph.op("Reshape", self, self.graph.shape(shape))

    def wider(self, *axes: int) -> "Value":
        """With axes of length one put in."""
        return self.graph.op("Unsqueeze", self, self.graph.whole(list(axes)))

    def transpose(self, *order: int) -> "Value":
        """With the axes in another order."""
        return self.graph.op("Transpose", self, perm=list(order))

    def side(self, axis: int) -> "Value":
        """The length of one axis, a scalar."""
        return self.graph.op("Shape", self, dtype=np.int64).take(axis)


class Graph:
    """A graph under construction; see :class:`Value` for what can be done in it."""

    def __init__(self) -> None:
        self._open: list[list[onnx.NodeProto]] = [[]]  # the graph, and bodies of loops within it
        self._count = 0

    def name(self) -> str:
        """A name that is not in use."""
        self._count += 1
        return f"v{self._count}"

    def op(self, kind: str, *inputs: Any, dtype: Type | None = None, **attributes: Any) -> Value:
        """Add a node; numbers among ``inputs`` get the first value's type.

        Args:
            kind: the operator.
            inputs: values of this graph, numbers or arrays.
            dtype: of the output; None: that of the first input.
            attributes: of the operator.
        """
        first = next(value.dtype for value in inputs if isinstance(value, Value))
        values = [v if isinstance(v, Value) else self.constant(v, first) for v in inputs]
        output = self.name()
        names = [value.name for value in values]
        self.add(helper.make_node(kind, names, [output], **attributes))
        return Value(self, output, np.dtype(dtype or first))

    def add(self, node: onnx.NodeProto) -> None:
        """Put a node where the graph is being built."""
        self._open[-1].append(node)

    def constant(self, content: Any, dtype: Type) -> Value:
        """A constant of a type."""
        array = np.asarray(content, dtype)
        output = self.name()
        self.add(helper.make_node("Constant", [], [output], value=numpy_helper.from_array(array)))
        return Value(self, output, array.dtype)

    def whole(self, content: Any) -> Value:
        """A constant of whole numbers, as shapes and axes are."""
        return self.constant(content, np.int64)

    def shape(self, parts: "Value | Sequence[Any]") -> Value:
        """Lengths as one value, from numbers and scalars of the graph."""
        if isinstance(parts, Value):
            return parts
        pieces = [p.reshape([1]) if isinstance(p, Value) else self.whole([p]) for p in parts]
        return self.join(pieces, 0)

    def join(self, pieces: Sequence[Value], axis: int) -> Value:
        """Values side by side along an axis."""
        return self.op("Concat", *pieces, axis=axis)

    def count(self, stop: Value) -> Value:
        """0, 1, ... up to, but without, ``stop``."""
        return self.op("Range", self.whole(0), stop, self.whole(1))

    def zeros(self, shape: Sequence[Any]) -> Value:
        """float32 zeros."""
        return self.op("ConstantOfShape", self.shape(shape), dtype=np.float32)

    def where(self, condition: Value, yes: Value, no: Value) -> Value:
        """``yes`` where the condition holds, else ``no``."""
        return self.op("Where", condition, yes, no, dtype=yes.dtype)

    def choose(self, condition: Value, yes: Callable[[], Value], no: Callable[[], Value]) -> Value:
        """One of two pieces of graph, by a scalar condition; only that one runs."""
        bodies, results = [], []
        for branch in (yes, no):
            self._open.append([])
            # What a branch hands out must be made within it.
            result = branch()
            results.append(self.op("Identity", result))
            bodies.append(self._close([], [results[-1]]))
        output = self.name()
        self.add(
            helper.make_node(
                "If", [condition.name], [output], then_branch=bodies[0], else_branch=bodies[1]
            )
        )
        return Value(self, output, results[0].dtype)

    def summed(self, times: Value, begin: Value, term: Callable[[Value], Value]) -> Value:
        """``begin`` plus ``term(k)`` for each k below ``times``."""
        step, total, going = self._loop_inputs(begin.dtype)
        self._open.append([])
        result = total + term(step)
        body = self._close([step, going, total], [self.op("Identity", going), result])
        return self._loop(times, [begin.name], body, begin.dtype)

    def stacked(self, times: Value, piece: Callable[[Value], Value]) -> Value:
        """``piece(k)`` for each k below ``times``, along a new first axis."""
        step, _, going = self._loop_inputs(np.dtype(np.float32))
        self._open.append([])
        result = piece(step)
        body = self._close([step, going], [self.op("Identity", going), result])
        return self._loop(times, [], body, result.dtype)

    def _loop_inputs(self, dtype: np.dtype[Any]) -> tuple[Value, Value, Value]:
        step = Value(self, self.name(), np.dtype(np.int64))
        return step, Value(self, self.name(), dtype), Value(self, self.name(), np.dtype(np.bool_))

    def _loop(
        self, times: Value, carried: list[str], body: onnx.GraphProto, dtype: np.dtype[Any]
    ) -> Value:
        output = self.name()
        self.add(helper.make_node("Loop", [times.name, "", *carried], [output], body=body))
        return Value(self, output, dtype)

    def _close(self, inputs: list[Value], outputs: list[Value]) -> onnx.GraphProto:
        """The innermost open body, done."""
        nodes = self._open.pop()
        scalars = (np.dtype(np.int64), np.dtype(np.bool_))

        def information(value: Value, scalar: bool) -> onnx.ValueInfoProto:
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            return helper.make_tensor_value_info(value.name, kind, [] if scalar else None)

        return helper.make_graph(
            nodes,
            self.name(),
            [information(value, value.dtype in scalars) for value in inputs],
            [information(value, value.dtype == np.bool_ and bool(inputs)) for value in outputs],
        )

    def input(self, name: str, dtype: Type) -> Value:
        """Declare an input of the graph."""
        return Value(self, name, np.dtype(dtype))

    def model(
        self,
        inputs: dict[str, tuple[Type, list[str | int]]],
        outputs: dict[str, tuple[Value, list[str | int]]],
        metadata: dict[str, str],
    ) -> onnx.ModelProto:
        """The finished model; names map to types or values, and shapes."""
        for name, (value, _) in outputs.items():
            self.add(helper.make_node("Identity", [value.name], [name]))

        def information(name: str, dtype: Type, shape: list[str | int]) -> onnx.ValueInfoProto:
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            return helper.make_tensor_value_info(name, kind, shape)

        graph = helper.make_graph(
            self._open[0],
            "phnet",
            [information(name, dtype, shape) for name, (dtype, shape) in inputs.items()],
            [information(name, value.dtype, shape) for name, (value, shape) in outputs.items()],
        )
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="phnet"
        )
        made.ir_version = 8
        helper.set_model_props(made, metadata)
        onnx.checker.check_model(made)
        return made

    def embed(
        self, model: onnx.ModelProto, inputs: dict[str, Value], outputs: Sequence[str]
    ) -> list[Value]:
        """A finished network in this graph.

        Args:
            model: with weights inside.
            inputs: what its inputs are fed with.
            outputs: the names of the outputs that are wanted.
        """
        prefix = f"{self.name()}_"
        kept = onnx.compose.add_prefix(model, prefix)
        for name, value in inputs.items():
            self.add(helper.make_node("Identity", [value.name], [prefix + name]))
        for tensor in kept.graph.initializer:
            self.add(helper.make_node("Constant", [], [tensor.name], value=tensor))
        for node in kept.graph.node:
            self.add(node)
        return [Value(self, prefix + name, np.dtype(np.float32)) for name in outputs]
