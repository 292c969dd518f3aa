"""The matting network of our own: its loss, its score, its file, a training that learns."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from phnet.errors import BadModel, BadRecipe
from phnet.export.matte_onnx import to_onnx
from phnet.matting.matte import Matter
from phnet.networks.mattenet import MatteConfig, MatteNet, iou, matting_loss
from phnet.training.checkpoint import load_network, network_of, save_checkpoint
from phnet.training.recipe import load_recipe, parse_recipe
from phnet.training.trainer import Trainer

SMALL = MatteConfig(widths=(4, 6, 8, 8, 8), blocks=(0, 1, 0, 0, 0))


def test_loss_is_what_a_hand_reckons() -> None:
    logits = torch.tensor([[[[np.log(3.0), -np.log(3.0)]]]])  # alpha 3/4 and 1/4
    mask = torch.tensor([[[[1.0, 0.0]]]])
    only_bce = matting_loss(logits, mask, {"bce": 1.0, "iou": 0.0})
    only_iou = matting_loss(logits, mask, {"bce": 0.0, "iou": 2.0})
    assert only_bce.tolist() == pytest.approx([-np.log(0.75)])
    # intersection 3/4; union (3/4 + 1 - 3/4) + 1/4 = 5/4
    assert only_iou.tolist() == pytest.approx([2 * (1 - 0.75 / 1.25)])


def test_iou_counts_pixels() -> None:
    logits = torch.tensor([[[[1.0, 1.0, -1.0, -1.0]]]])
    mask = torch.tensor([[[[1.0, 0.0, 1.0, 0.0]]]])
    assert iou(logits, mask).tolist() == pytest.approx([1 / 3])


def test_answer_has_the_photos_size() -> None:
    net = MatteNet(SMALL).eval()
    assert net(torch.rand(2, 3, 64, 96)).shape == (2, 1, 64, 96)


def test_file_runs_in_the_matter_and_says_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = MatteNet(SMALL).eval()
    content, difference = to_onnx(net, {"name": "mine"}, 64)
    assert difference < 1e-4
    path = tmp_path / "mine.onnx"
    path.write_bytes(content)
    photo = np.random.default_rng(0).random((64, 64, 3), np.float32)
    with torch.no_grad():
        expected = torch.sigmoid(net(torch.from_numpy(photo.transpose(2, 0, 1)[None])))
    np.testing.assert_allclose(Matter(path, 1).segment(photo), expected[0, 0].numpy(), atol=1e-4)


def test_side_must_fit_the_halvings() -> None:
    with pytest.raises(BadModel, match="multiples of 32"):
        to_onnx(MatteNet(SMALL), {}, 100)


def test_recipe_refuses_a_loss_for_another_network() -> None:
    tables = {"model": {"name": "matte-small"}, "schedule": {"images": 16}, "loss": {"psnr": 1.0}}
    with pytest.raises(BadRecipe, match=r"\[loss\] for this network takes bce, iou"):
        parse_recipe(tables, "x", "x.toml")


def test_recipe_trains_until_it_knows_its_photos(
    tmp_path: Path, photo_tree: Path, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    tables = {
        "model": {"name": "matte-small", "widths": [8, 12, 16, 16, 16]},
        "data": {"folders": [str(photo_tree)], "size": 32, "untouched": 1.0, "workers": 0},
        "optimizer": {"name": "adamw", "lr": 3e-3, "betas": [0.9, 0.99]},
        "schedule": {"images": 960},
        "loss": {"bce": 1.0, "iou": 1.0},
        "run": {"batch": 8, "validate_every": 480},
    }
    trainer = Trainer(parse_recipe(tables, "mine", "mine.toml"), tmp_path / "run")
    before = trainer.validate()["val_iou"]
    trainer.run()
    after = trainer.validate()
    assert after["val_error"] == pytest.approx(1 - after["val_iou"])
    assert after["val_iou"] > before + 0.3
    assert trainer.picture_grid(2).shape[0] == 3
    best, file = tmp_path / "run" / "best.pt", tmp_path / "m.onnx"
    code, _, _ = command_line("export", best, "-o", file, "--resolution", "64", "--storage", "fp16")
    assert code == 0
    assert Matter(file, 1).segment(np.zeros((40, 50, 3), np.float32)).shape == (64, 64)
    code, out, _ = command_line("model", best)
    assert code == 0
    assert "matte" in out
    with pytest.raises(BadModel, match="expected a network of the paper's kind"):
        load_network(best)


def test_checkpoint_keeps_its_kind(tmp_path: Path) -> None:
    net = MatteNet(SMALL)
    state = {"config": {"widths": [4, 6, 8, 8, 8], "blocks": [0, 1, 0, 0, 0]}}
    save_checkpoint({**state, "model": net.state_dict()}, tmp_path / "a.pt")
    assert isinstance(network_of({**state, "model": net.state_dict()}, "a.pt"), MatteNet)


def test_the_recipe_in_the_repository_is_of_a_matte() -> None:
    recipe = load_recipe(Path(__file__).parents[2] / "recipes" / "matte.toml")
    assert isinstance(recipe.model, MatteConfig)
    assert recipe.data.size >= 256
