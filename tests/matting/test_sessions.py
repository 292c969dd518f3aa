"""Networks from outside that ask for too much, and matting networks that are none."""

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from phnet import Harmonizer
from phnet.errors import BadModel, BadOption
from phnet.matting import sessions
from phnet.matting.matte import Matter

PHOTO = np.full((64, 64, 3), 100, np.uint8)
Shape = tuple[object, ...]


def model(
    folder: Path,
    nodes: list[onnx.NodeProto],
    *constants: onnx.TensorProto,
    inputs: tuple[Shape, ...] = ((1, 3, 32, 32),),
) -> Path:
    """A network file: ``nodes`` make ``alpha`` of ``x0``."""
    given = [
        helper.make_tensor_value_info(f"x{number}", TensorProto.FLOAT, shape)
        for number, shape in enumerate(inputs)
    ]
    outputs = [helper.make_tensor_value_info("alpha", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "g", given, outputs, list(constants))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = folder / "matte.onnx"  # the embedded one's name
    path.write_bytes(made.SerializeToString())
    return path


def node(kind: str, *inputs: str, to: str = "alpha", **options: object) -> onnx.NodeProto:
    return helper.make_node(kind, list(inputs), [to], **options)


def numbers(name: str, *values: int) -> onnx.TensorProto:
    return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)


def test_a_matting_network_that_does_as_it_should_is_taken(tmp_path: Path) -> None:
    path = model(tmp_path, [node("ReduceMean", "x0", axes=[1])])
    np.testing.assert_allclose(Matter(path).segment(PHOTO), 100 / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("nodes", "constants", "said"),
    [
        ([node("Reshape", "x0", "s")], (numbers("s", 1, 3, 7, 7),), "expected a network that runs"),
        ([node("Flatten", "x0")], (), r"got float32 \(1, 3072\)"),
        ([node("ReduceMean", "x0", keepdims=0)], (), r"got float32 \(\)"),
        ([node("Shape", "x0")], (), "expected an ONNX network|one picture of numbers"),
        ([node("Sub", "x0", "x0", to="z"), node("Div", "z", "z")], (), "finite numbers"),
        (
            [node("Expand", "x0", "s")],
            (numbers("s", 400, 3, 32, 32),),
            r"got float32 \(400, 3, 32, 32\)",
        ),
    ],
)
def test_an_answer_that_is_no_picture_is_refused(
    tmp_path: Path, nodes: list[onnx.NodeProto], constants: tuple[onnx.TensorProto, ...], said: str
) -> None:
    path = model(tmp_path, nodes, *constants)
    with pytest.raises(BadModel, match=said) as error:
        Matter(path).segment(PHOTO)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ((), "expected one input and an output, got 0 and 1"),
        (((1, 3, 32, 32), (1, 3, 32, 32)), "got 2 and 1"),
        (((1, 3, 100_000, 100_000),), "4 to 4096 pixels a side, got 100000x100000"),
        (((1, 3, 32, 1),), "got 32x1"),
        (((3, 32),), "expected one input, a float RGB picture"),
    ],
)
def test_an_input_that_is_no_picture_is_refused(
    tmp_path: Path, inputs: tuple[Shape, ...], said: str
) -> None:
    nodes = [node("ConstantOfShape", "s")]
    with pytest.raises(BadModel, match=said):
        Matter(model(tmp_path, nodes, numbers("s", 1, 1, 4, 4), inputs=inputs))


def test_what_needs_too_much_memory_is_refused(tmp_path: Path) -> None:
    nodes = [
        node("ConstantOfShape", "s", to="z"),
        node("ReduceMean", "z", to="m", keepdims=0),
        node("Add", "x0", "m"),
    ]
    path = model(tmp_path, nodes, numbers("s", 1 << 20, 1 << 10, 2))
    with pytest.raises(BadModel, match="needs more than 4 GiB of memory"):
        Matter(path).segment(PHOTO)


def test_what_cannot_be_broken_off_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [  # one product of matrices that takes seconds
        node("ConstantOfShape", "s", to="z"),
        node("RandomNormalLike", "z", to="r"),  # so that it is not computed when it is opened
        node("MatMul", "r", "r", to="y"),
        node("ReduceMean", "y", to="m", keepdims=0),
        node("Add", "x0", "m"),
    ]
    path = model(tmp_path, nodes, numbers("s", 4000, 4000))
    monkeypatch.setattr(sessions, "SECONDS_TO_RUN", 0.05)
    monkeypatch.setattr(sessions, "SECONDS_TO_END", 0.05)
    with pytest.raises(BadModel, match=r"took more than 0\.05 seconds"):
        Matter(path, threads=1).segment(PHOTO)


def test_weights_in_other_files_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(4 * 32))
    outside = helper.make_tensor("w", TensorProto.FLOAT, [32], bytes(4 * 32), raw=True)
    outside.ClearField("raw_data")
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="secret")
    with pytest.raises(BadModel, match="expected an ONNX network"):
        Matter(model(tmp_path, [node("Add", "x0", "w")], outside))


def test_a_model_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="but it is none"):
        Matter(tmp_path)
    with pytest.raises(BadModel, match="cannot be read"):
        Matter(tmp_path / ("x" * 400))


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    sessions._tell_missing.cache_clear()
    caplog.set_level(logging.WARNING, "phnet")
    return caplog


def test_the_cpu_takes_the_place_of_a_provider_that_is_not_there(
    told: pytest.LogCaptureFixture,
) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 255
    expected = Harmonizer(threads=1).harmonize(PHOTO, mask)
    for _ in range(2):  # told once
        made = Harmonizer(threads=1, providers="webnn,CPUExecutionProvider").harmonize(PHOTO, mask)
        np.testing.assert_array_equal(made, expected)
    (record,) = told.records
    assert record.getMessage().startswith("providers: webnn cannot be had here (onnxruntime 1.")
    assert record.getMessage().endswith("cpu): cpu is used")


def test_the_first_choice_that_is_there_comes_first() -> None:
    chosen = sessions.execution_providers("Azure,cpu,azureexecutionprovider")
    assert chosen == ["AzureExecutionProvider", "CPUExecutionProvider"]
    assert sessions.execution_providers(None) == ["CPUExecutionProvider"]


@pytest.mark.parametrize("names", ["gpu", "cuda,gpu"])
def test_a_provider_that_does_not_exist_is_refused(names: str) -> None:
    with pytest.raises(BadOption, match=r"^providers: expected some of .*coreml.*, got 'gpu'$"):
        Matter(providers=names)
    with pytest.raises(BadOption, match=r"^providers: expected NAME,NAME, got 'cuda cpu'$"):
        Matter(providers="cuda cpu")


def test_two_packages_of_one_runtime_are_told(
    tmp_path: Path, told: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "onnxruntime_gpu-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.0\n")
    (other / "top_level.txt").write_text("onnxruntime\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    sessions.execution_providers("cuda")
    assert "onnxruntime and onnxruntime-gpu hide each other: keep one" in told.text
