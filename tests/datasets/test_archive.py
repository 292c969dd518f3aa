"""Packs of photos: small enough, readable by the trainer, the same bytes each time."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from phnet.errors import BadData
from phnet.training.cache import build_cache
from phnet.training.sources import pack_photos, photo_sources


def test_a_pack_trains_like_its_photos(tmp_path: Path, photo_tree: Path) -> None:
    report = pack_photos([str(photo_tree)], tmp_path / "a.zip", 48, 1_000_000)
    assert (report["train"], report["val"], report["skipped"]) == (6, 3, {})
    assert report["quality"] == 90
    packed = build_cache(photo_sources([str(tmp_path / "a.zip")], "train"), 48, tmp_path / "c")
    plain = build_cache(photo_sources([str(photo_tree)], "train"), 48, tmp_path / "c")
    assert len(packed) == len(plain) == 6
    difference = packed.pixels[..., :3].astype(int) - plain.pixels[..., :3]
    assert np.sqrt(np.mean(difference**2)) < 4
    masks = (packed.pixels[..., 3] > 127) == (plain.pixels[..., 3] > 127)
    assert masks.mean() > 0.999


def test_the_same_photos_give_the_same_bytes(tmp_path: Path, photo_tree: Path) -> None:
    for name in ("a.zip", "b.zip"):
        pack_photos([str(photo_tree)], tmp_path / name, 48, 1_000_000)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_the_limit_holds(tmp_path: Path, photo_tree: Path) -> None:
    large = pack_photos([str(photo_tree)], tmp_path / "a.zip", 64, 1_000_000)
    limit = int(large["bytes"] * 0.8)
    small = pack_photos([str(photo_tree)], tmp_path / "b.zip", 64, limit)
    assert small["bytes"] <= limit
    assert (tmp_path / "b.zip").stat().st_size == small["bytes"]
    assert small["quality"] < large["quality"]
    with pytest.raises(BadData, match="smaller size"):
        pack_photos([str(photo_tree)], tmp_path / "c.zip", 64, 500)
    assert not list(tmp_path.glob("*c.zip*"))


def test_what_is_not_a_pack(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"no")
    with pytest.raises(BadData, match=r"a\.zip"):
        photo_sources([str(tmp_path / "a.zip")], "train")
    with zipfile.ZipFile(tmp_path / "big.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train/x.webp", b"\0" * (1 << 23))
        archive.writestr("train/x.png", b"\0")
    source = photo_sources([str(tmp_path / "big.zip")], "train")[0]
    with pytest.raises(ValueError, match="larger than"):
        source.load()
