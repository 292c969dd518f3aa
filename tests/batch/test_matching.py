"""Composites and masks by name: other kinds, other spellings, folders inside folders."""

import unicodedata
from pathlib import Path

import pytest

from phnet.batch.matching import match, passed_over, pictures, result_name
from phnet.errors import BadInput, BadOutput


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(folder: Path, masks: Path | None, **more: object) -> dict[str, str | None]:
    """What is matched: composite to mask, "?" for a problem."""
    output = folder.parent / "out"
    items = match(folder, masks, output, **more)  # type: ignore[arg-type]
    return {
        item.composite.relative_to(folder).as_posix(): "?"
        if item.problem
        else item.mask and item.mask.name
        for item in items
    }


def test_names_meet_in_any_spelling(tmp_path: Path) -> None:
    composites = touch(tmp_path / "in", "a.jfif", "b.JPE", "c.gif", "d.avif", "e.x.png", "F.jpg")
    touch(composites, unicodedata.normalize("NFD", "Zoë.png"), "g.png", "h.png", "notes.txt")
    masks = touch(tmp_path / "masks", "a.png", "b_mask.png", "c.png", "d.png", "e.x.png", "f.png")
    touch(masks, unicodedata.normalize("NFC", "Zoë.png"), "g.png", "g_mask.png")
    matched = {unicodedata.normalize("NFC", k): v for k, v in found(composites, masks).items()}
    assert matched == {
        "F.jpg": "f.png",
        "Zoë.png": unicodedata.normalize("NFC", "Zoë.png"),
        "a.jfif": "a.png",
        "b.JPE": "b_mask.png",
        "c.gif": "c.png",
        "d.avif": "d.png",
        "e.x.png": "e.x.png",
        "g.png": "g.png",
        "h.png": "?",
    }
    names = {item.output.name for item in match(composites, masks, tmp_path / "out")}
    assert {"a.jpg", "b.jpg", "c.png", "d.png", "e.x.png", "F.jpg"} < names


def test_masks_may_lie_beside_the_composites(tmp_path: Path) -> None:
    folder = touch(tmp_path / "in", "a.jpg", "a_mask.png", "b.jpg", "c_mask.png")
    expected = {"a.jpg": "a_mask.png", "b.jpg": None, "c_mask.png": None}
    assert found(folder, None) == found(folder, folder) == expected


def test_folders_inside_are_mirrored_or_counted(tmp_path: Path) -> None:
    folder = touch(tmp_path / "in", "a.png", "x/a.png", "x/y/b.jpg", "x/n.txt", ".git/c.png")
    masks = touch(tmp_path / "masks", "a.png", "x/a.png", "x/y/b_mask.png")
    (folder / "loop").symlink_to(folder)
    touch(tmp_path / "in" / "out", "old.png")
    assert found(folder, masks) == {"a.png": "a.png"}
    assert passed_over(folder) == f"{folder}: passed over 3 folders inside it (recursive)"
    assert passed_over(folder, recursive=True) == f"{folder}: passed over 1 file of other kinds"
    items = match(folder, masks, folder / "out", recursive=True)
    assert [(item.output.relative_to(folder).as_posix(), item.problem) for item in items] == [
        ("out/a.png", None),
        ("out/x/a.png", None),
        ("out/x/y/b.jpg", None),
    ]
    assert [item.mask and item.mask.relative_to(masks).as_posix() for item in items] == [
        "a.png",
        "x/a.png",
        "x/y/b_mask.png",
    ]


def test_backgrounds_are_one_for_all_or_matched(tmp_path: Path) -> None:
    folder = touch(tmp_path / "in", "a.png", "b.png")
    scenes = touch(tmp_path / "scenes", "a.jpg", "beach.webp")
    one = match(folder, None, tmp_path / "out", backgrounds=scenes / "beach.webp")
    assert [(i.background, i.output.name) for i in one] == [
        (scenes / "beach.webp", "a.webp"),
        (scenes / "beach.webp", "b.webp"),
    ]
    own = match(folder, None, tmp_path / "out", backgrounds=scenes)
    assert own[0].background == scenes / "a.jpg"
    assert own[0].output.name == "a.jpg"
    assert "expected one background b.*" in (own[1].problem or "")


def test_what_is_no_folder_is_told_in_a_sentence(tmp_path: Path) -> None:
    file = touch(tmp_path, "a.png") / "a.png"
    with pytest.raises(BadInput, match=r"a\.png: expected a folder of pictures, but it is a file"):
        pictures(file)
    with pytest.raises(BadInput, match="but there is none"):
        pictures(tmp_path / "none")
    with pytest.raises(BadOutput, match="another folder"):
        match(tmp_path, None, tmp_path)
    assert result_name(Path("a.HEIC")) == "a.png"
