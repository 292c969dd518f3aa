"""PSD with a layer for each step: what they blend to is the result, and each can be left out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from phnet.compositing.composer import Composer, compose
from phnet.errors import BadInput, BadOutput
from phnet.harmonization.finishing.finish import layers_for
from phnet.harmonization.harmonizer import Harmonizer
from phnet.images import Picture, save
from phnet.options import ComposeOptions, HarmonizeOptions
from tests.conftest import smooth_photo

psd_tools = pytest.importorskip("psd_tools")
composite_of = pytest.importorskip("psd_tools.composite").composite
Run = Callable[..., tuple[int, str, str]]
SIZE = (120, 160)
LINEAR_LIGHT = psd_tools.constants.BlendMode.LINEAR_LIGHT


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with scene.png, grainy and bright, paste.png and cut.png, dark, and mask.png."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    scene = smooth_photo(rng, *SIZE) // 3 + 150 + rng.normal(0, 5, (*SIZE, 3))
    mask = np.zeros(SIZE, np.float32)
    cv2.ellipse(mask, (80, 65), (30, 40), 0, 0, 360, 1, -1)
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 1))
    mask[mask < 0.004] = 0
    person = smooth_photo(rng, *SIZE) // 3 + 20
    paste = scene + (person - scene) * mask[..., None]
    for name, colors in (("scene", scene), ("paste", paste), ("person", person)):
        Image.fromarray(np.rint(colors.clip(0, 255)).astype(np.uint8)).save(f"{name}.png")
    Image.fromarray(np.rint(mask * 255).astype(np.uint8)).save("mask.png")
    return tmp_path


def colors_of(name: str) -> np.ndarray:
    return np.asarray(Image.open(name).convert("RGB"), np.float32)


def blended(name: str) -> np.ndarray:
    """What a program that knows blend modes shows, in levels."""
    return np.asarray(composite_of(psd_tools.PSDImage.open(name), force=True)[0] * 255)


COMMANDS = {
    "harmonize": ("harmonize", "paste.png", "mask.png"),
    "compose": ("compose", "person.png", "scene.png", "--mask", "mask.png"),
}
STEPS = ["Clean edges", "Color", "Sharpness", "Grain", "Light wrap"]


@pytest.mark.parametrize("door", COMMANDS)
def test_the_layers_blend_to_the_result(pictures: Path, command_line: Run, door: str) -> None:
    effects = ("--clean-edges", 1, "--match-sharpness", 1, "--match-grain", 1, "--light-wrap", 1)
    effects += ("--shadow", 1) if door == "compose" else ()
    for name in ("out.psd", "out.png"):
        status, _, err = command_line(*COMMANDS[door], "-o", name, *effects)
        assert status == 0, err
    document = psd_tools.PSDImage.open(pictures / "out.psd")
    names = [layer.name for layer in document]
    assert names == ["Background", "Original person", *STEPS, *(["Shadow"] * (door == "compose"))]
    assert all(layer.blend_mode == LINEAR_LIGHT for layer in document[2:])
    result, behind = (
        colors_of("out.png"),
        colors_of("scene.png" if door == "compose" else "paste.png"),
    )
    shown = blended("out.psd")
    assert np.abs(shown - result).max() <= 1
    same = (result == behind).all(-1)
    assert same.mean() > 0.3
    assert np.abs(shown - behind)[same].max() < 0.51
    np.testing.assert_allclose(document.numpy("color") * 255, result, atol=0.01)
    # without the last three or four layers it is what the colors alone make of clean edges
    for layer in document[4:]:
        layer.visible = False
    fewer = np.asarray(composite_of(document, force=True)[0] * 255)
    command_line(*COMMANDS[door], "-o", "less.png", "--clean-edges", 1)
    assert np.abs(fewer - colors_of("less.png")).max() <= 2
    assert np.abs(fewer - result).max() > 5


def test_without_effects_the_harmonized_person_is_a_layer(
    pictures: Path, command_line: Run
) -> None:
    status, _, err = command_line(*COMMANDS["harmonize"], "-o", "out.psd")
    assert status == 0, err
    document = psd_tools.PSDImage.open(pictures / "out.psd")
    assert [layer.name for layer in document][-1] == "Harmonized person"
    assert document.depth == 8


def test_each_and_parts_go_together_with_it(pictures: Path, command_line: Run) -> None:
    mask = np.asarray(Image.open("mask.png")).copy()
    mask[:, 70:90] = 0
    Image.fromarray(mask).save("two.png")
    more = ("--finish", "--each", "--save-parts", "parts")
    for name in ("out.psd", "out.png"):
        status, _, err = command_line("harmonize", "paste.png", "two.png", "-o", name, *more)
        assert status == 0, err
    assert np.abs(blended("out.psd") - colors_of("out.png")).max() <= 1
    assert len(list((pictures / "parts").iterdir())) == len(STEPS)


def test_the_last_layer_takes_what_the_others_leave(tmp_path: Path) -> None:
    """Also where layers are clipped on the way, and in 16 bits."""
    rng = np.random.default_rng(0)
    scene, result = (rng.integers(0, 65536, (9, 11, 3)).astype(np.uint16) for _ in range(2))
    mask = np.ones((9, 11), np.float32)
    steps = {
        k: rng.integers(0, 65536, (9, 11, 3)).astype(np.uint16) for k in ("color", "light_wrap")
    }
    save(tmp_path / "a.psd", Picture(scene), result, mask, None, steps)
    assert np.abs(blended(str(tmp_path / "a.psd")) - result / 257).max() < 0.01


def test_layers_are_kept_for_effects_alone() -> None:
    assert layers_for(HarmonizeOptions()) is None
    assert layers_for(HarmonizeOptions(finish=True, clean_edges=0)) is not None
    assert layers_for(ComposeOptions(shadow=0.5)) is not None
    assert layers_for(ComposeOptions(shadow=0, light_wrap=0)) is None


EFFECTS = {"clean_edges": 1, "match_sharpness": 1, "match_grain": 1, "light_wrap": 1}


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("door", COMMANDS)
def test_python_writes_what_the_command_line_does(command_line: Run, door: str) -> None:
    flags = [word for name in EFFECTS for word in (f"--{name.replace('_', '-')}", 1)]
    threads = ("--threads", 1)
    for output in (("-o", "line.psd"), ("-o", "line.png", "--save-parts", "line")):
        assert command_line(*COMMANDS[door], *output, *flags, *threads)[0] == 0
    kept: dict[str, Any] = {"save_psd": "python.psd", "save_parts": "python", **EFFECTS}
    harmonizer = Harmonizer(threads=1)
    if door == "harmonize":
        made = harmonizer.harmonize("paste.png", "mask.png", **kept)
    else:
        composer = Composer(harmonizer)
        made = compose("person.png", "scene.png", mask="mask.png", composer=composer, **kept)
    np.testing.assert_array_equal(np.asarray(made), colors_of("line.png"))
    names = [layer.name for layer in psd_tools.PSDImage.open("line.psd")]
    assert len(names) > len(EFFECTS)
    assert [layer.name for layer in psd_tools.PSDImage.open("python.psd")] == names
    np.testing.assert_array_equal(blended("python.psd"), blended("line.psd"))
    parts = sorted(path.name for path in Path("line").iterdir())
    assert sorted(path.name for path in Path("python").iterdir()) == parts
    for part in parts:
        one, other = (np.asarray(Image.open(Path(place, part))) for place in ("line", "python"))
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("pictures")
def test_python_refuses_places_that_cannot_be() -> None:
    harmonizer = Harmonizer(threads=1)
    Path("file").write_text("")
    before = Path("paste.png").read_bytes()
    for kept, sentence in (
        ({"save_psd": "out.png"}, "save_psd: expected a name ending in .psd"),
        ({"save_psd": "none/out.psd"}, "expected an existing folder to write to"),
        ({"save_parts": "file"}, "file: expected a folder for the parts, but it is a file"),
        ({"save_look": "paste.png"}, "paste.png"),
    ):
        with pytest.raises(BadOutput, match=sentence):
            harmonizer.harmonize("paste.png", "mask.png", **kept)
    assert Path("paste.png").read_bytes() == before
    with pytest.raises(BadInput, match="save_look: expected a field or a table"):
        harmonizer.harmonize("paste.png", "mask.png", lift="none", save_look="l", save_psd="o.psd")
    assert not Path("o.psd").exists()
