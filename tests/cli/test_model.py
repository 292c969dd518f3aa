"""``phnet model`` and ``phnet export`` as a person calls them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from phnet.cli import main
from phnet.export.model_info import NAMED
from phnet.harmonization.harmonizer import find_model
from phnet.training.trainer import Trainer
from tests.training.test_trainer import recipe

RELEASED = Path(__file__).parents[1] / "fixtures" / "released_small.pth"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["phnet", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_the_paper(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "model", "paper", "--json") == 0
    about = json.loads(capsys.readouterr().out)
    assert {"name", "parameters", "gflop_256", "pn_layers", "pfe", "output"} <= set(about)
    assert 39_800_000 < about["parameters"] < 40_100_000
    assert 90 < about["gflop_256"] < 110
    assert about["pn_layers"] == [4, 5, 6]
    assert about["pfe"] is True
    assert about["output"] == "image"


def test_the_list(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "model", "--list") == 0
    assert capsys.readouterr().out.split() == list(NAMED)


def test_a_card_needs_no_torch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr("phnet.export.model_info")
    monkeypatch.setitem(sys.modules, "phnet.export.model_info", None)
    assert run(monkeypatch, "model", find_model(None), "--json") == 0
    assert json.loads(capsys.readouterr().out)["name"] == "portrait"
    assert run(monkeypatch, "model", "paper") == 2
    assert "pip install '.[train]'" in capsys.readouterr().err


def test_from_checkpoint_to_harmonized_picture(
    tmp_path: Path,
    photo_tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Trainer(recipe(photo_tree), tmp_path, pictures=False).run(minutes=0)
    onnx = tmp_path / "a.onnx"
    options = ("--storage", "fp16", "--resolution", 64, "--name", "mine")
    assert run(monkeypatch, "export", tmp_path / "last.pt", "-o", onnx, *options) == 0
    capsys.readouterr()
    assert run(monkeypatch, "model", onnx, "--json") == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["name"], about["kind"], about["resolution"]) == ("mine", "phnet", 64)
    assert about["gflop_256"] > 0
    assert run(monkeypatch, "model", tmp_path / "last.pt", "--json") == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == about["parameters"]

    from phnet.harmonization.harmonizer import Harmonizer

    picture = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    result = Harmonizer(onnx, threads=1).harmonize(picture, np.ones((90, 70), np.uint8) * 255)
    assert result.shape == picture.shape


def test_the_released_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "model", RELEASED, "--json") == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["kind"], about["grids"]) == ("released", [4, 3, 2, 1])
    assert about["file"] == str(RELEASED)
    onnx = tmp_path / "full.onnx"
    assert run(monkeypatch, "export", RELEASED, "-o", onnx, "--resolution", 64) == 0

    from phnet.harmonization.harmonizer import Harmonizer

    picture = np.random.default_rng(0).integers(0, 256, (101, 203, 3), np.uint8)
    mask = np.zeros((101, 203), np.uint8)
    mask[20:80, 30:90] = 255
    result = Harmonizer(onnx, threads=1).harmonize(picture, mask)
    np.testing.assert_array_equal(result[mask == 0], picture[mask == 0])
    assert not np.array_equal(result, picture)


def test_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("phnet.export.chunks.write_pieces.__defaults__", (60_000,))
    arguments = (RELEASED, "-o", tmp_path / "full.onnx", "--pieces")
    assert run(monkeypatch, "export", *arguments) == 0
    listed = tmp_path / "full.onnx.pieces.json"
    assert len(json.loads(listed.read_text())["parts"]) > 1
    capsys.readouterr()
    joined = tmp_path / "joined.onnx"
    assert run(monkeypatch, "model", listed, "-o", joined, "--json") == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["kind"], about["storage"]) == ("released", "fp16")
    assert joined.stat().st_size == json.loads(listed.read_text())["bytes"]


@pytest.mark.parametrize("name", ["none.pth", "junk.pth", "junk.onnx", "junk.pieces.json"])
def test_bad_files_get_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = tmp_path / name
    if name != "none.pth":
        path.write_bytes(b"junk")
    for arguments in (("model", path), ("export", path, "-o", tmp_path / "out.onnx")):
        assert run(monkeypatch, *arguments) == 2
        said = capsys.readouterr().err
        assert said.startswith("phnet: ")
        assert name in said
        assert said.count("\n") == 1
    assert not (tmp_path / "out.onnx").exists()


def test_whole_numbers_and_calibration_belong_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in (("--storage", "int8"), ("--calibrate", tmp_path)):
        assert run(monkeypatch, "export", RELEASED, "-o", tmp_path / "a.onnx", *options) == 2
        assert "belong together" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
