"""The authors' released network, held to stored intermediates."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from phnet.errors import BadModel
from phnet.export.onnx_export import to_onnx
from phnet.networks.released import LARGE, SMALL, ReleasedPHNet, cells, from_state, is_released
from phnet.training.checkpoint import load_state

FIXTURES = Path(__file__).parents[1] / "fixtures"
WEIGHTS = FIXTURES / "released_small.pth"


@pytest.fixture(scope="module")
def net() -> ReleasedPHNet:
    return from_state(load_state(WEIGHTS), WEIGHTS)


@pytest.fixture(scope="module")
def stored() -> dict[str, torch.Tensor]:
    with np.load(FIXTURES / "released_small.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.mark.parametrize("j", [0, 1])
def test_every_intermediate(net: ReleasedPHNet, stored: dict[str, torch.Tensor], j: int) -> None:
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str):
        return lambda *call: seen.__setitem__(name, call[-1])

    hooks = [
        net.feature_extractor.register_forward_hook(keep("extractor")),
        net.SE_block.fc.register_forward_hook(keep("se_y")),
        net.SE_block.register_forward_hook(keep("se_out")),
        *(net.normalizers[k].register_forward_hook(keep(f"normalizer{k}")) for k in range(3)),
    ]
    with torch.no_grad():
        seen["output"] = net.raw(stored[f"image_{j}"], stored[f"mask_{j}"])
    for hook in hooks:
        hook.remove()
    for name in (
        "extractor",
        "se_y",
        "se_out",
        "normalizer0",
        "normalizer1",
        "normalizer2",
        "output",
    ):
        torch.testing.assert_close(seen[name], stored[f"{name}_{j}"], rtol=0, atol=1e-5)


def test_onnx_output_at_both_sizes(net: ReleasedPHNet, stored: dict[str, torch.Tensor]) -> None:
    session = ort.InferenceSession(to_onnx(net, {}), providers=["CPUExecutionProvider"])
    for j in (0, 1):
        image, mask = stored[f"image_{j}"], stored[f"mask_{j}"]
        expected = stored[f"output_{j}"] * mask + image * (1 - mask)
        feed = {"image": image.numpy(), "mask": mask.numpy()}
        (got,) = session.run(["harmonized"], feed)
        np.testing.assert_allclose(got, expected.numpy(), rtol=0, atol=1e-4)


def test_pictures_with_fewer_pixels_than_cells(net: ReleasedPHNet) -> None:
    session = ort.InferenceSession(to_onnx(net, {}), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for height, width in ((8, 64), (200, 8), (24, 40)):
        image = rng.random((1, 3, height, width), np.float32)
        mask = (rng.random((1, 1, height, width)) > 0.5).astype(np.float32)
        (got,) = session.run(None, {"image": image, "mask": mask})
        with torch.no_grad():
            expected = net(torch.from_numpy(image), torch.from_numpy(mask)).numpy()
        assert np.isfinite(expected).all()
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("size", "count"), [(64, 3), (10, 5), (7, 5), (3, 4), (1, 10)])
def test_cells_take_every_pixel_once(size: int, count: int) -> None:
    rows = cells(size, count, torch.zeros(1))
    assert torch.equal(rows.sum(0), torch.ones(size))
    expected = [size // count] * (count - 1) + [size - size // count * (count - 1)]
    assert rows.sum(1).tolist() == expected


@pytest.mark.parametrize(("sizes", "parameters"), [(LARGE, 39_921_641), (SMALL, 9_994_295)])
def test_the_published_sizes(sizes: tuple, parameters: int) -> None:
    with torch.device("meta"):
        net = ReleasedPHNet(*sizes)
    assert sum(p.numel() for p in net.parameters()) == parameters
    state = {
        key: torch.empty(value.shape, device="meta") for key, value in net.state_dict().items()
    }
    with torch.device("meta"):
        again = from_state(state, "x.pth")
    assert (again.widths, again.grids) == sizes


def test_recognized_by_its_keys() -> None:
    assert is_released(load_state(WEIGHTS))
    assert not is_released({"format": "phnet-checkpoint-1"})


def test_refused_with_a_sentence(tmp_path: Path) -> None:
    state = load_state(WEIGHTS)
    missing = {k: v for k, v in state.items() if k != "skip.3.rconv.weight"}
    with pytest.raises(BadModel, match=r"skip\.3\.rconv\.weight"):
        from_state(missing, "a.pth")
    wrong = state | {"skip.3.rconv.weight": torch.zeros(1, 2, 3, 3)}
    with pytest.raises(BadModel, match=r"skip\.3\.rconv\.weight"):
        from_state(wrong, "a.pth")
    with pytest.raises(BadModel, match="extra"):
        from_state(state | {"extra": torch.zeros(1)}, "a.pth")
    with pytest.raises(BadModel, match="encoder"):
        from_state({k: v for k, v in state.items() if not k.startswith("encoder.2")}, "a.pth")

    with pytest.raises(BadModel, match=r"'skip\.0\.rconv\.weight' holds no tensor"):
        from_state(state | {"skip.0.rconv.weight": 3}, "a.pth")
    with pytest.raises(BadModel, match="too few dimensions"):
        from_state(state | {"normalizers.0.grid_weights": torch.zeros(1)}, "a.pth")
    wide = torch.zeros(1).expand(1 << 14, 3, 4, 4)
    with pytest.raises(BadModel, match="usable network"):
        from_state(state | {"encoder.0.0.weight": wide}, "a.pth")

    class Evil:
        def __reduce__(self) -> tuple:
            return (Path(tmp_path / "ran").touch, ())

    torch.save(state | {"x": Evil()}, tmp_path / "evil.pth")
    (tmp_path / "cut.pth").write_bytes(WEIGHTS.read_bytes()[:-5000])
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("evil", "cut", "list", "none"):
        with pytest.raises(BadModel, match=rf"{name}\.pth"):
            load_state(tmp_path / f"{name}.pth")
    assert not (tmp_path / "ran").exists()
