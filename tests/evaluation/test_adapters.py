"""Anyone's network through an adapter: each repository's convention on small random networks."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from phnet.errors import BadModel, MissingExtra
from phnet.evaluation.adapters import Adapter, load_adapter
from tests.conftest import disc_mask, smooth_photo

torch = pytest.importorskip("torch")

ADAPTERS = Path(__file__).parents[2] / "examples" / "adapters"
MEAN, DEVIATION = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
WARNING = "ignore:.*torch.jit.*:DeprecationWarning"
pytestmark = pytest.mark.filterwarnings(WARNING)


class Mixer(torch.nn.Module):
    """A 1x1 convolution of random weights, near a picture's own colors."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        torch.manual_seed(channels)
        self.mix = torch.nn.Conv2d(channels, 3, 1)
        with torch.no_grad():
            self.mix.weight.mul_(0.2)
            self.mix.weight[:, :3, 0, 0] += torch.eye(3)

    def numbers(self, planes: np.ndarray) -> np.ndarray:
        """The same by numpy, of (h, w, c)."""
        weight = self.mix.weight.detach().numpy()[:, :, 0, 0]
        return planes @ weight.T + self.mix.bias.detach().numpy()


class Joined(Mixer):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.mix(x))


class Named(Mixer):
    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"images": self.mix(torch.cat([image, mask], 1)), "attention": mask}


class TwoSizes(Mixer):
    def forward(
        self, image: torch.Tensor, full: torch.Tensor, mask: torch.Tensor, full_mask: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        moved = self.mix(torch.cat([full, full_mask], 1)) + image.mean() + mask.mean()
        return {"images": image, "images_fullres": moved.squeeze(0)}


class Plain(Mixer):
    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.mix(torch.cat([image, mask], 1)))


def picture() -> tuple[np.ndarray, np.ndarray]:
    return smooth_photo(np.random.default_rng(0), 256, 256), disc_mask(256, 256) / np.float32(255)


def adapter(name: str, network: torch.nn.Module, folder: Path, **changes: str) -> Adapter:
    """The example's adapter of a name, with a small network in place of the released one."""
    from phnet.networks.torchscript import load_script

    text = (ADAPTERS / f"{name}.toml").read_text()
    for old, new in changes.items():
        text = text.replace(old, new)
    (folder / "a.toml").write_text(text)
    (made,) = [line.split('"')[1] for line in text.splitlines() if line.startswith("file")]
    torch.jit.script(network).save(str(folder / made))
    return load_adapter(folder / "a.toml", 1, load_script)


def sides(photo: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return photo.astype(np.float32) / 255, mask[..., None]


def check(found: np.ndarray, expected: np.ndarray, photo: np.ndarray, mask: np.ndarray) -> None:
    inside = mask > 0
    assert np.array_equal(found[~inside], (photo / np.float32(255))[~inside])
    assert np.abs(found - np.clip(expected, 0, 1))[inside].max() < 1e-4
    assert np.abs(found - photo / 255)[inside].max() > 0.02  # it did something


def test_dovenet_has_four_channels_from_minus_one_to_one(tmp_path: Path) -> None:
    network, (photo, mask) = Joined(4), picture()
    rgb, alpha = sides(photo, mask)
    expected = np.tanh(network.numbers(np.dstack([rgb * 2 - 1, alpha]))) / 2 + 0.5
    made = adapter("dovenet", network, tmp_path)
    check(made.harmonize(photo, mask), expected, photo, mask)
    assert (made.name, made.parameters) == ("DoveNet", 15)


def test_idih_is_normalized_both_ways(tmp_path: Path) -> None:
    network, (photo, mask) = Named(4), picture()
    rgb, alpha = sides(photo, mask)
    normalized = (rgb - MEAN) / DEVIATION
    expected = network.numbers(np.dstack([normalized, alpha])) * DEVIATION + MEAN
    check(adapter("idih", network, tmp_path).harmonize(photo, mask), expected, photo, mask)


def test_pctnet_sees_both_sizes(tmp_path: Path) -> None:
    network = TwoSizes(4)
    photo, mask = (cv2.resize(each, (300, 280)) for each in picture())
    rgb, alpha = sides(photo, mask)
    normalized = (rgb - MEAN) / DEVIATION
    small = cv2.resize(normalized, (256, 256), interpolation=cv2.INTER_AREA)
    small_mask = cv2.resize(mask, (256, 256), interpolation=cv2.INTER_AREA)
    moved = network.numbers(np.dstack([normalized, alpha])) + small.mean() + small_mask.mean()
    found = adapter("pctnet", network, tmp_path).harmonize(photo, mask)
    check(found, moved * DEVIATION + MEAN, photo, mask)


def test_harmonizer_works_at_the_pictures_size(tmp_path: Path) -> None:
    network = Plain(4)
    photo, mask = (cv2.resize(each, (70, 50)) for each in picture())
    rgb, alpha = sides(photo, mask)
    expected = 1 / (1 + np.exp(-network.numbers(np.dstack([rgb, alpha]))))
    check(adapter("harmonizer", network, tmp_path).harmonize(photo, mask), expected, photo, mask)


def test_the_released_network_is_blended(tmp_path: Path) -> None:
    network = Plain(4)
    photo, mask = (cv2.resize(each, (512, 512)) for each in picture())
    rgb, alpha = sides(photo, mask)
    raw = 1 / (1 + np.exp(-network.numbers(np.dstack([rgb, alpha]))))
    found = adapter("released", network, tmp_path).harmonize(photo, mask)
    check(found, raw * alpha + rgb * (1 - alpha), photo, mask)


def test_onnx_with_names_of_its_own(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    info = onnx.helper.make_tensor_value_info
    nodes = [
        onnx.helper.make_node("Concat", ["comp", "matte"], ["both"], axis=1),
        onnx.helper.make_node("ReduceSum", ["both", "axis"], ["sum"], keepdims=1),
        onnx.helper.make_node("Expand", ["sum", "shape"], ["other"]),
        onnx.helper.make_node("Mul", ["comp", "half"], ["out"]),
    ]
    kinds = {"axis": np.int64([1]), "shape": np.int64([1, 3, 1, 1]), "half": np.float32(0.5)}
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [info("matte", 1, [1, 1, "h", "w"]), info("comp", 1, [1, 3, "h", "w"])],
        [info("other", 1, None), info("out", 1, None)],
        [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in kinds.items()],
    )
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "n.onnx"
    )
    text = 'name = "x"\nfile = "n.onnx"\nparameters = 1\n[input]\nnames = ["comp", "matte"]\n'
    (tmp_path / "a.toml").write_text(text + '[output]\nname = "out"\n')
    photo, mask = picture()
    found = load_adapter(tmp_path / "a.toml", 1)
    check(found.harmonize(photo, mask > 0.5), photo / 255 / 2, photo, mask > 0.5)
    assert found.parameters == 1
    (tmp_path / "a.toml").write_text(text + '[output]\nname = "none"\n')
    with pytest.raises(BadModel, match="expected an output 'none', got other, out"):
        load_adapter(tmp_path / "a.toml")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file = ", "expected an adapter in TOML"),
        ("name = 3\nfile = 'x.onnx'", "expected a file, and a name"),
        ("file = 'x.onnx'\ncolor = 1", "got 'color'"),
        ("file = 'x.onnx'\n[input]\nrange = [0, 0]", "two different numbers"),
        ("file = 'x.onnx'\n[input]\nrange = 5", "expected range in"),
        ("file = 'x.onnx'\n[input]\ntensors = ['depth']", "expected tensors of image, mask"),
        ("file = 'x.onnx'\n[input]\ndeviation = [1, 0, 1]", "other than 0"),
        ("file = 'x.onnx'\n[size]\nside = -1", "a side of 0 to 8192"),
        ("file = 'x.onnx'\n[size]\nsides = 1", "expected side, multiple in"),
        ("file = 'x.onnx'", "expected an ONNX network"),
        ("file = 'x.pt'", "expected a network in TorchScript"),
    ],
)
def test_what_cannot_be_an_adapter_gets_a_sentence(
    tmp_path: Path, text: str, sentence: str
) -> None:
    from phnet.networks.torchscript import load_script

    (tmp_path / "x.onnx").write_bytes(b"no network")
    (tmp_path / "x.pt").write_bytes(b"no network")
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(BadModel, match=sentence):
        load_adapter(tmp_path / "a.toml", None, load_script)


def test_scripts_need_torch_and_results_need_to_be_pictures(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text("file = 'x.pt'")
    with pytest.raises(MissingExtra, match="TorchScript"):
        load_adapter(tmp_path / "b.toml")
    photo, mask = picture()
    made = adapter("idih", Named(4), tmp_path, **{'name = "images"': 'name = "picture"'})
    with pytest.raises(BadModel, match="expected an output 'picture', got images, attention"):
        made.harmonize(photo, mask)
    made = adapter("idih", Named(4), tmp_path, **{'name = "images"': 'name = "attention"'})
    with pytest.raises(BadModel, match="expected a picture"):
        made.harmonize(photo, mask)


def test_predict_takes_an_adapter_and_evaluate_names_it(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from phnet.cli import app

    adapter("idih", Named(4), tmp_path)
    fixtures = Path(__file__).parents[1] / "fixtures" / "ffhqh"
    out = tmp_path / "out"
    common = ["--data", str(fixtures)]
    command = ["predict", *common, "--method", str(tmp_path / "a.toml"), "-o", str(out)]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert cv2.imread(str(next(out.glob("0*"))), cv2.IMREAD_UNCHANGED).dtype == np.uint16
    command = ["evaluate", *common, "--predictions", str(out), "--protocol", "idih"]
    shown = CliRunner().invoke(app, command, catch_exceptions=False).stdout
    assert "iDIH" in shown
    assert "parameters" in shown
    shutil.rmtree(out)
