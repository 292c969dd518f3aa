"""Networks as folders: written and read again, and what is refused."""

import json
from pathlib import Path

import pytest
import torch

from phnet.errors import BadModel, BadOutput
from phnet.networks import PHNet, PHNetConfig
from phnet.training.checkpoint import load_network

WEIGHTS = Path(__file__).parents[2] / "weights" / "portrait.safetensors"
SMALL = PHNetConfig(widths=(3, 4, 4, 4, 4, 4, 4), pn_layers=(6,), output="residual")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    PHNet(SMALL).save_pretrained(tmp_path / "net")
    return tmp_path / "net"


def test_a_network_comes_back_as_it_was(tmp_path: Path) -> None:
    net = load_network(WEIGHTS)
    net.save_pretrained(tmp_path / "net")
    again = PHNet.from_pretrained(tmp_path / "net")
    assert again.config == net.config
    assert not again.training
    image, mask = torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    mask[..., 16:48, 16:48] = 1
    with torch.no_grad():
        expected, made = (one(image, mask, torch.tensor([0.9])) for one in (net, again))
    assert torch.equal(made, expected)
    assert (made - image).abs().max() > 0.01


def test_the_two_files_are_what_hubs_expect(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    about = json.loads((folder / "config.json").read_text())
    assert about["model_type"] == "phnet"
    assert about["widths"] == [3, 4, 4, 4, 4, 4, 4]
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model_type": "bert"}, "model_type"),
        ({"widths": [3, 8, 4, 4, 4, 4, 4]}, "found others"),
        ({"widths": "wide"}, "usable"),
        ({"widths": [3, 4, 4, 4, 4, 4, 9999]}, "2048"),
    ],
)
def test_another_configuration_is_refused(
    folder: Path, change: dict[str, object], word: str
) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadModel, match=word):
        PHNet.from_pretrained(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff" * 100])
def test_broken_files_are_refused(folder: Path, name: str, content: bytes | None) -> None:
    path = folder / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadModel, match=name):
        PHNet.from_pretrained(folder)


def test_a_place_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadOutput, match="file"):
        PHNet(SMALL).save_pretrained(tmp_path / "file" / "net")
