"""Export: what ONNX Runtime computes is what torch computes, or nothing is written."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import helper
from torch import nn

from phnet.errors import BadData, BadModel
from phnet.export import onnx_export as export_module
from phnet.export.chunks import read_pieces, write_pieces
from phnet.export.onnx_export import export, export_file, store_as_fp16, to_onnx
from phnet.export.quantize import composites
from phnet.export.tracing import without_repeats
from phnet.networks import PHNet, PHNetConfig
from phnet.training.checkpoint import FORMAT

RELEASED = Path(__file__).parents[1] / "fixtures" / "released_small.pth"


def network(output: str = "affine", **changes: object) -> PHNet:
    torch.manual_seed(0)
    config = PHNetConfig(widths=(3, 4, 6, 8, 8, 12, 16), output=output, **changes)  # type: ignore[arg-type]
    net = PHNet(config)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return net.eval()


@pytest.mark.parametrize("output", ["image", "residual", "affine"])
def test_any_size_gives_what_torch_gives(output: str) -> None:
    net = network(output)
    session = ort.InferenceSession(to_onnx(net, {}), providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == ["image", "mask"]
    assert [o.name for o in session.get_outputs()] == ["harmonized"]
    rng = np.random.default_rng(0)
    sizes = ((1, 64, 64), (3, 33, 47), (1, 9, 100), (2, 16, 8), (1, 2, 2), (2, 1, 9), (1, 1, 1))
    for batch, height, width in sizes:
        image = rng.random((batch, 3, height, width), np.float32)
        mask = (rng.random((batch, 1, height, width)) > 0.5).astype(np.float32)
        (got,) = session.run(None, {"image": image, "mask": mask})
        with torch.no_grad():
            expected = net(torch.from_numpy(image), torch.from_numpy(mask)).numpy()
        np.testing.assert_allclose(got, expected, atol=1e-4, rtol=0)
        assert np.abs(got - image).max() > 0.01 or not mask.any()
        outside = np.broadcast_to(mask == 0, image.shape)
        np.testing.assert_array_equal(got[outside], image[outside])


def test_the_card_is_in_the_file(tmp_path: Path) -> None:
    export(network(), tmp_path / "a.onnx", {"name": "a", "resolution": 96})
    session = ort.InferenceSession(str(tmp_path / "a.onnx"), providers=["CPUExecutionProvider"])
    card = json.loads(session.get_modelmeta().custom_metadata_map["phnet"])
    assert card == {"name": "a", "resolution": 96}


def test_disagreement_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Drifting(nn.Module):
        """Traced as the identity, then something else."""

        calls = 0

        def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            type(self).calls += 1
            return image * (mask + (1 - mask)) + (0.0 if type(self).calls < 3 else 2e-4)

    monkeypatch.setattr(export_module, "SIZES", ((16, 16),))
    with pytest.raises(BadModel, match=r"differ by 0\.0002"):
        export(Drifting(), tmp_path / "a.onnx", {"name": "a"})
    assert list(tmp_path.iterdir()) == []


def test_fp16_storage_is_smaller_and_close() -> None:
    net = network()
    full = to_onnx(net, {})
    half = store_as_fp16(full)
    assert len(half) < len(full)
    image = np.random.default_rng(1).random((1, 3, 48, 48), np.float32)
    mask = np.ones((1, 1, 48, 48), np.float32)
    results = [
        ort.InferenceSession(content, providers=["CPUExecutionProvider"]).run(
            None, {"image": image, "mask": mask}
        )[0]
        for content in (full, half)
    ]
    assert 0 < np.abs(results[0] - results[1]).max() < 0.02


def test_pieces_join_again(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(2500)
    files = write_pieces(content, tmp_path / "full.onnx", largest=1000)
    assert [f.name for f in files] == [
        "full.onnx.part00",
        "full.onnx.part01",
        "full.onnx.part02",
        "full.onnx.pieces.json",
    ]
    assert read_pieces(files[-1]) == content
    files[1].write_bytes(b"x" * 1000)
    with pytest.raises(BadModel, match=r"part01.*sum differs"):
        read_pieces(files[-1])
    files[1].unlink()
    with pytest.raises(BadModel, match="part01"):
        read_pieces(files[-1])
    files[-1].write_text("{")
    with pytest.raises(BadModel, match=r"pieces\.json"):
        read_pieces(files[-1])


def test_a_list_of_pieces_cannot_reach_outside(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"abc")
    (tmp_path / "in").mkdir()
    files = write_pieces(b"abc", tmp_path / "in" / "a")
    listed = json.loads(files[-1].read_text())
    listed["parts"][0]["file"] = "../secret"
    files[-1].write_text(json.dumps(listed))
    with pytest.raises(BadModel, match="secret"):
        read_pieces(files[-1])


@pytest.mark.parametrize(
    "part",
    [
        '{"file": "", "bytes": 1, "sha256": "x"}',
        '{"file": "a", "bytes": Infinity, "sha256": "x"}',
        '{"file": "a", "bytes": -1, "sha256": "x"}',
        r'{"file": "\u0000", "bytes": 1, "sha256": "x"}',
        r'{"file": "\ud800", "bytes": 1, "sha256": "x"}',
        '{"file": "' + "x" * 400 + '", "bytes": 1, "sha256": "x"}',
        "[" * 5000 + "]" * 5000,
        "[]",
    ],
)
def test_a_list_of_pieces_that_cannot_be_is_refused(tmp_path: Path, part: str) -> None:
    place = tmp_path / "a.pieces.json"
    place.write_text('{"name": "x", "bytes": 1, "sha256": "0", "parts": [' + part + "]}")
    with pytest.raises(BadModel, match=r"expected|cannot be read"):
        read_pieces(place)


def test_a_released_file_exports(tmp_path: Path) -> None:
    difference, files = export_file(RELEASED, tmp_path / "r.onnx", resolution=64)
    assert difference < 1e-4
    session = ort.InferenceSession(str(files[0]), providers=["CPUExecutionProvider"])
    card = json.loads(session.get_modelmeta().custom_metadata_map["phnet"])
    assert (card["kind"], card["multiple"], card["resolution"]) == ("released", 8, 64)


@pytest.mark.parametrize("state", [{}, {"recipe": {"name": "a"}, "images": 1, "config": 3}])
def test_a_checkpoint_without_its_contents_is_refused(tmp_path: Path, state: dict) -> None:
    torch.save({"format": FORMAT, **state}, tmp_path / "a.pt")
    with pytest.raises(BadModel, match=r"a\.pt: expected a whole checkpoint"):
        export_file(tmp_path / "a.pt", tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


def test_a_checkpoint_that_asks_for_too_much_is_refused(tmp_path: Path) -> None:
    config = asdict(PHNetConfig()) | {"widths": (3, *[10**6] * 6)}
    about = {"format": FORMAT, "recipe": {"name": "a"}, "images": 1, "model": {}}
    torch.save({**about, "config": config}, tmp_path / "a.pt")
    with pytest.raises(BadModel, match=r"a\.pt: .*at most 2048"):
        export_file(tmp_path / "a.pt", tmp_path / "a.onnx")


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    net = network()
    with torch.no_grad():
        net.encoder[0].convolution.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(BadModel, match="differ by inf"):
        export(net, tmp_path / "a.onnx", {})
    assert list(tmp_path.iterdir()) == []


def test_stored_halves_are_unfolded_once_when_the_file_is_loaded(tmp_path: Path) -> None:
    content = store_as_fp16(to_onnx(network(), {}))
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    stored = {i.name for i in onnx.load_from_string(content).graph.initializer}
    assert any(name.endswith("_fp16") for name in stored)
    loaded = onnx.load(tmp_path / "loaded.onnx").graph
    assert not any(i.name.endswith("_fp16") for i in loaded.initializer)
    assert not any(name.endswith("_fp16") for node in loaded.node for name in node.input)


def test_whole_numbers_are_calibrated_and_close(tmp_path: Path, photo_tree: Path) -> None:
    net = network()
    torch.save(
        {"format": FORMAT, "recipe": {"name": "a"}, "images": 1, "model": net.state_dict()}
        | {"config": asdict(net.config)},
        tmp_path / "a.pt",
    )
    arguments = (tmp_path / "a.pt", tmp_path / "a.onnx", "int8", 64)
    difference, _ = export_file(*arguments, calibrate=photo_tree)
    assert 1e-4 < difference < 0.1
    model = onnx.load(tmp_path / "a.onnx")
    card = json.loads(model.metadata_props[0].value)
    assert (card["storage"], card["kind"]) == ("int8", "phnet")
    whole = {
        o for node in model.graph.node if node.op_type == "DequantizeLinear" for o in node.output
    }
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    quantized = {"/".join(n.name.split("/")[1:3]) for n in convolutions if n.input[1] in whole}
    # All of the encoder but the first; of the decoder all but those that merge behind a PN block.
    expected = {f"encoder.{i}/convolution" for i in range(1, 6)}
    expected |= {f"decoder.{i}/up" for i in range(6)} | {f"decoder.{i}/merge" for i in range(3)}
    assert quantized == expected
    with pytest.raises(BadData, match="calibrate"):
        export_file(*arguments)


def test_calibration_needs_photos(tmp_path: Path, photo_tree: Path) -> None:
    feeds = composites(photo_tree, 60, multiple=8)
    assert len(feeds) == 6
    assert all(f["image"].shape == (1, 3, 56, 56) and 0 < f["mask"].mean() < 1 for f in feeds)
    with pytest.raises(BadData, match="expected photos with masks"):
        composites(tmp_path, 64)
    (tmp_path / "a.jpg").write_bytes(b"junk")
    (tmp_path / "a.png").write_bytes(b"junk")
    with pytest.raises(BadData, match="a: expected a photo with a mask"):
        composites(tmp_path, 64)


def test_what_is_computed_twice_is_computed_once() -> None:
    def node(kind: str, inputs: list[str], output: str, **more: Any) -> onnx.NodeProto:
        return helper.make_node(kind, inputs, [output], **more)

    two = helper.make_tensor("two", onnx.TensorProto.FLOAT, [], [2.0])
    three = helper.make_tensor("three", onnx.TensorProto.FLOAT, [], [3.0])
    places = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [4]) for n in ("x", "y")]
    nodes = [
        node("Constant", [], "a", value=two),
        node("Constant", [], "b", value=two),
        node("Constant", [], "c", value=three),
        node("Mul", ["x", "a"], "d"),
        node("Mul", ["x", "b"], "e"),  # as d
        node("Mul", ["x", "c"], "f"),
        node("Add", ["d", "f"], "g"),
        node("Add", ["e", "f"], "y"),  # as g, but an output
        node("Identity", ["g"], "unused"),
    ]
    graph = helper.make_graph(nodes, "doubles", places[:1], places[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model = without_repeats(model)
    onnx.checker.check_model(model)
    assert [n.output[0] for n in model.graph.node] == ["a", "c", "d", "f", "y", "unused"]
    session = ort.InferenceSession(model.SerializeToString())
    (found,) = session.run(None, {"x": np.arange(4, dtype=np.float32)})
    np.testing.assert_array_equal(found, [0, 5, 10, 15])
