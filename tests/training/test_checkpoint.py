"""Weights as safetensors: what is written is read again, and what is not ours is refused."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from phnet.errors import BadModel
from phnet.networks import PHNet, PHNetConfig
from phnet.training.checkpoint import load_checkpoint, load_network, save_tensors, take_weights

SMALL = PHNetConfig(widths=(3, 4, 6, 8, 8, 10, 12), output="field", shrink=2, statistics=True)


def state(net: PHNet) -> dict[str, object]:
    return {
        "config": asdict(net.config),
        "recipe": {"name": "mine"},
        "model": net.state_dict(),
        "ema": None,
        "images": 70,
        "images_before": 30,
    }


def test_weights_come_back_with_what_they_are(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = PHNet(SMALL).eval()
    torch.nn.init.normal_(net.decoder[5].up.weight)
    save_tensors(state(net), tmp_path / "a.safetensors")
    again = load_network(tmp_path / "a.safetensors")
    image, mask = torch.rand(1, 3, 40, 50), torch.rand(1, 1, 40, 50)
    assert torch.equal(again(image, mask), net(image, mask))
    other = PHNet(SMALL)
    assert take_weights(other, tmp_path / "a.safetensors") == 100
    assert torch.equal(other.decoder[5].up.weight, net.decoder[5].up.weight)


def test_an_affine_network_grows_into_a_field(tmp_path: Path) -> None:
    torch.manual_seed(0)
    old = PHNet(PHNetConfig(widths=SMALL.widths, output="affine")).eval()
    torch.nn.init.normal_(old.decoder[5].up.weight, std=0.1)
    save_tensors(state(old), tmp_path / "old.safetensors")
    new = PHNet(PHNetConfig(widths=SMALL.widths, output="field", statistics=True)).eval()
    take_weights(new, tmp_path / "old.safetensors")
    image, mask = torch.rand(1, 3, 48, 48), torch.rand(1, 1, 48, 48)
    assert torch.allclose(new(image, mask), old(image, mask), atol=1e-5)


def test_a_wider_network_starts_with_the_answers_of_the_narrow_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    narrow = PHNetConfig(widths=(3, 4, 5, 6, 8, 9, 16), output="field", shrink=2, statistics=True)
    old = PHNet(narrow).eval()
    for weights in old.state_dict().values():  # also those that begin as zeros
        if weights.is_floating_point():
            weights.add_(0.05 * torch.rand_like(weights))
    save_tensors(state(old), tmp_path / "old.safetensors")
    new = PHNet(replace(narrow, widths=(3, 6, 5, 9, 12, 10, 24))).eval()
    take_weights(new, tmp_path / "old.safetensors")
    image, mask = torch.rand(2, 3, 64, 48), torch.rand(2, 1, 64, 48)
    light = torch.tensor([0.0, 1.0])
    fields = new.field(image, mask, light), old.field(image, mask, light)
    assert fields[1].std() > 0.05
    assert torch.allclose(*fields, atol=1e-5)
    fields[0].square().sum().backward()  # what reads new channels can learn
    readers = new.decoder[3].merge.weight.grad
    assert readers is not None
    assert readers[:6, 6:9].abs().max() > 0


def test_a_narrower_network_refuses_the_weights_of_a_wide_one(tmp_path: Path) -> None:
    save_tensors(state(PHNet(SMALL)), tmp_path / "old.safetensors")
    narrow = PHNet(replace(SMALL, widths=(3, 2, 2, 2, 2, 2, 2)))
    with pytest.raises(BadModel, match="do not fit"):
        take_weights(narrow, tmp_path / "old.safetensors")


@pytest.mark.parametrize("kind", ["others", "damaged"])
def test_what_is_not_ours_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.safetensors"
    if kind == "others":
        save_file({"a": torch.zeros(2)}, path)
    else:
        path.write_bytes(b"\xff" * 40)
    with pytest.raises(BadModel, match=r"x.safetensors: expected"):
        load_checkpoint(path)
