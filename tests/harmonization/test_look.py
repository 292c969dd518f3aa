"""Looks: written, read, and refused; and persons told apart."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import phnet
from phnet.batch.file_worker import harmonize_file
from phnet.errors import BadInput, BadOption
from phnet.harmonization.field import Field
from phnet.harmonization.look import look_of, read_look, write_look
from phnet.harmonization.persons import persons, without_others
from phnet.options import HarmonizeOptions

COMPOSITE = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
MASK = np.zeros((64, 64), np.float32)
MASK[16:48, 16:48] = 1


def test_a_look_gives_the_same_picture_again(tmp_path: Path) -> None:
    path = tmp_path / "look.json"
    made = phnet.harmonize(COMPOSITE, MASK, save_look=path)
    again = phnet.harmonize(COMPOSITE, MASK, look=path)
    assert np.abs(made.astype(int) - again).max() <= 1
    np.testing.assert_array_equal(again[MASK == 0], COMPOSITE[MASK == 0])


def test_elsewhere_one_map_is_taken_for_the_whole_person(tmp_path: Path) -> None:
    field = Field(np.random.default_rng(0).random((12, 8, 8), np.float32))
    look = look_of(field, MASK)
    write_look(tmp_path / "l.json", look)
    read = read_look(tmp_path / "l.json")
    same = read.map_for(MASK)
    assert isinstance(same, Field)
    np.testing.assert_allclose(same.coefficients, field.coefficients, atol=1e-3)
    other = read.map_for(np.roll(MASK, 16, 1))
    assert isinstance(other, Field)
    assert other.coefficients.shape == (12, 1, 1)
    inside = field.coefficients[:, 2:6, 2:6].mean((1, 2))
    np.testing.assert_allclose(other.coefficients[:, 0, 0], inside, atol=0.1)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"phnet_look": 2}',
        b'{"phnet_look": 1}',
        b'{"phnet_look": 1, "mask": {"shape": [9, 9], "float16": ""}}',
        b"[" * 100000,
    ],
)
def test_what_is_no_look_is_refused(content: bytes) -> None:
    with pytest.raises(BadInput, match="look: expected a look"):
        read_look(content)


def test_a_bomb_and_wild_values_are_refused(tmp_path: Path) -> None:
    write_look(tmp_path / "l.json", look_of(Field(np.ones((12, 4, 4), np.float32)), MASK))
    kept = json.loads((tmp_path / "l.json").read_text())
    large = Field(np.ones((12, 64, 64), np.float32))
    write_look(tmp_path / "large.json", look_of(large, MASK))
    bomb = json.loads((tmp_path / "large.json").read_text())["field"]
    for field in (
        {**bomb, "shape": [12, 4, 4]},
        {**kept["field"], "shape": [12, 10**6, 4]},
        {**kept["field"], "shape": [12, "4", 4]},
    ):
        with pytest.raises(BadInput, match="expected a look"):
            read_look(json.dumps({**kept, "field": field}).encode())
    write_look(tmp_path / "wild.json", look_of(Field(np.full((12, 4, 4), np.nan, "f")), MASK))
    with pytest.raises(BadInput, match="out of range"):
        read_look(tmp_path / "wild.json")


def test_persons_are_told_apart_and_together_are_the_mask() -> None:
    mask = np.zeros((60, 90), np.float32)
    mask[10:50, 5:30], mask[10:40, 50:80], mask[3, 3] = 1, 0.8, 0.5
    found = persons(mask)
    assert len(found) == 2
    np.testing.assert_array_equal(found[0] + found[1], mask)
    assert found[0][20, 10] == 1
    assert found[0][3, 3] == 0.5
    assert found[0][20, 60] == 0
    assert len(persons(MASK)) == 1


def test_the_other_person_is_seen_as_background() -> None:
    mask = np.zeros((40, 80), np.float32)
    mask[:, 10:20], mask[:, 60:70] = 1, 1
    picture = np.full((40, 80, 3), 100, np.uint8)
    picture[:, 60:70] = (250, 0, 0)
    seen = without_others(picture, mask, persons(mask)[1])
    assert np.abs(seen.astype(int) - 100).max() <= 2


def test_each_is_corrected_by_themselves() -> None:
    rng = np.random.default_rng(1)
    scene = rng.integers(90, 160, (96, 192, 3), np.uint8)
    mask = np.zeros((96, 192), np.float32)
    mask[20:90, 20:70], mask[20:90, 120:170] = 1, 1
    scene[20:90, 20:70] //= 3
    alone = np.where(np.arange(192) < 96, mask, 0)
    both = phnet.harmonize(scene, mask, each=True)
    np.testing.assert_array_equal(both[mask == 0], scene[mask == 0])
    assert not np.array_equal(both, phnet.harmonize(scene, mask))
    hidden = without_others(scene, mask, mask - alone)
    one = phnet.harmonize(hidden, alone)
    assert np.abs(both[alone > 0].astype(int) - one[alone > 0]).max() <= 1


def test_a_look_that_is_handed_in_makes_no_cube(tmp_path: Path) -> None:
    write_look(tmp_path / "l.json", look_of(Field(np.ones((12, 4, 4), np.float32)), MASK))
    Image.fromarray(COMPOSITE).save(tmp_path / "c.png")
    with pytest.raises(BadInput, match=r"look.cube: expected a look that is found"):
        harmonize_file(
            *(phnet.Harmonizer(), tmp_path / "c.png", None, tmp_path / "o.png", HarmonizeOptions()),
            save_lut=tmp_path / "look.cube",
            look=read_look(tmp_path / "l.json"),
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.png", "l.json"]


def test_a_reference_beside_a_look_is_refused_at_all_doors(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command_line: Callable[..., tuple[int, str, str]],
) -> None:
    """It would do nothing: the light is in the look."""
    monkeypatch.chdir(tmp_path)
    write_look("l.json", look_of(Field(np.ones((12, 4, 4), np.float32)), MASK))
    Image.fromarray(COMPOSITE).save("c.png")
    Image.fromarray(np.uint8(255 * MASK)).save("m.png")
    Path("folder").mkdir()
    Image.fromarray(COMPOSITE).save("folder/c.png")
    more = {"look": "l.json", "reference": COMPOSITE}
    sentence = "reference: expected no look beside it"
    with pytest.raises(BadOption, match=sentence):
        phnet.harmonize(COMPOSITE, MASK, **more)
    with pytest.raises(BadOption, match=sentence):
        phnet.compose(COMPOSITE, COMPOSITE, mask=MASK, **more)
    flags = ("--look", "l.json", "--reference", "c.png")
    for command in (
        ("harmonize", "c.png", "m.png", "-o", "o.png"),
        ("harmonize", "folder", "-o", "made"),
        ("compose", "c.png", "c.png", "--mask", "m.png", "-o", "o.png"),
    ):
        status, _, err = command_line(*command, *flags)
        assert status == 2
        assert sentence in err
    assert not Path("o.png").exists()


def test_a_look_is_not_written_over_the_result_and_not_without_a_map(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command_line: Callable[..., tuple[int, str, str]],
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(COMPOSITE).save("c.png")
    Image.fromarray(np.uint8(255 * MASK)).save("m.png")
    arguments = ("harmonize", "c.png", "m.png", "-o", "o.png", "--save-look")
    for more, sentence in (
        (("o.png",), "o.png: is also the output; choose another name"),
        (("l.json", "--lift", "none"), "choose another way to full size (--lift)"),
    ):
        status, _, err = command_line(*arguments, *more)
        assert status == 2
        assert sentence in err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["c.png", "m.png"]
