"""Networks from outside that are none: one sentence each, and no result that is no picture."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from phnet.errors import BadModel
from phnet.harmonization.harmonizer import Harmonizer
from phnet.matting import sessions

PICTURE = np.full((32, 32, 3), 100, np.uint8)
MASK = np.pad(np.ones((16, 16), np.float32), 8)


def model(
    folder: Path,
    nodes: list[onnx.NodeProto],
    card: str = "{}",
    constants: tuple[onnx.TensorProto, ...] = (),
    image: tuple[object, ...] = (1, 3, "h", "w"),
) -> Path:
    """A network file: ``nodes`` make ``harmonized`` of ``image`` and ``mask``."""
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, image),
        helper.make_tensor_value_info("mask", TensorProto.FLOAT, (1, 1, "h", "w")),
    ]
    outputs = [helper.make_tensor_value_info("harmonized", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(constants))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(made, {"phnet": card})
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    return path


def constant(name: str, values: list[int]) -> onnx.TensorProto:
    return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)


def node(kind: str, *inputs: str, **options: object) -> onnx.NodeProto:
    return helper.make_node(kind, list(inputs), ["harmonized"], **options)


def test_a_network_that_does_as_it_should_is_taken(tmp_path: Path) -> None:
    path = model(tmp_path, [node("Identity", "image")], json.dumps({"resolution": 32}))
    result = Harmonizer(path, 1).harmonize(PICTURE, MASK, lift="none")
    assert np.abs(result.astype(int) - PICTURE).max() <= 1


@pytest.mark.parametrize(
    ("nodes", "constants", "said"),
    [
        ([node("Reshape", "image", "s")], (constant("s", [1, 3, 7, 7]),), "a network that runs"),
        ([node("Flatten", "image")], (), r"shape \(1, 3, 32, 32\).*got \(1, 3072\)"),
        ([node("ReduceMean", "image", keepdims=0)], (), r"got \(\)"),
        ([node("Shape", "image")], (), "expected"),
        (
            [helper.make_node("Sub", ["image", "image"], ["z"]), node("Div", "z", "z")],
            (),
            "finite numbers.*NaN",
        ),
    ],
)
def test_a_result_that_is_no_picture_is_refused(
    tmp_path: Path,
    nodes: list[onnx.NodeProto],
    constants: tuple[onnx.TensorProto, ...],
    said: str,
) -> None:
    path = model(tmp_path, nodes, constants=constants)
    with pytest.raises(BadModel, match=said) as error:
        Harmonizer(path, 1).harmonize(PICTURE, MASK)
    assert str(error.value).startswith(f"{path}: expected")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ('{"a":' * 50_000 + "1" + "}" * 50_000, "nested too deeply"),
        ('{"resolution": Infinity}', "readable card"),
        ('{"resolution": 1e999}', "readable card"),
        ('{"resolution": 9999999}', "16 to 4096"),
        ("[]", "readable card"),
        ('"' + "x" * (2 << 20) + '"', "more than 1048576 characters"),
    ],
)
def test_a_card_that_cannot_be_is_refused(tmp_path: Path, card: str, said: str) -> None:
    with pytest.raises(BadModel, match=said):
        Harmonizer(model(tmp_path, [node("Identity", "image")], card), 1)


def test_a_name_that_is_no_text_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = model(tmp_path, [node("Identity", "image")])
    path.write_bytes(path.read_bytes().replace(b"harmonized", b"\xfd\xfeharmoni!"))
    with pytest.raises(BadModel, match="expected an ONNX network, but 'utf-8' codec"):
        Harmonizer(path, 1)
    assert capsys.readouterr() == ("", "")  # the runtime prints what it tries again


def test_inputs_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"image to be \(1, 3, height, width\), got \(1, 3\)"):
        Harmonizer(model(tmp_path, [node("Identity", "image")], image=(1, 3)), 1)
    with pytest.raises(BadModel, match="image to be"):
        Harmonizer(model(tmp_path, [node("Identity", "image")], image=(1, 4, "h", "w")), 1)


def test_a_network_that_takes_too_long_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = helper.make_graph(
        [
            helper.make_node("Identity", ["on"], ["on_out"]),
            helper.make_node("Identity", ["value"], ["value_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("count", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value_out", TensorProto.FLOAT, None),
        ],
    )
    most = helper.make_tensor("most", TensorProto.INT64, [], [2**62])
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    path = model(tmp_path, [node("Loop", "most", "yes", "image", body=again)], "{}", (most, yes))
    monkeypatch.setattr(sessions, "SECONDS_TO_RUN", 0.5)
    with pytest.raises(BadModel, match=r"took more than 0\.5 seconds"):
        Harmonizer(path, 1).harmonize(PICTURE, MASK)
