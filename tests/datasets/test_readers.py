"""The readers of iHarmony4 and FFHQH, on small trees that are checked by their sums first.

The pictures in ``tests/fixtures`` were made from scikit-image's astronaut (NASA, public domain).
"""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from phnet.datasets import readers
from phnet.errors import BadData

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture(scope="module")
def trees() -> Path:
    for line in (FIXTURES / "SHA256SUMS").read_text().splitlines():
        total, name = line.split("  ")
        assert hashlib.sha256((FIXTURES / name).read_bytes()).hexdigest() == total, name
    return FIXTURES


def names(found: list[readers.Sample]) -> list[tuple[str, str, str, str, str]]:
    return [
        (s.subset, s.id, s.composite_path.name, s.mask_path.name, s.real_path.name) for s in found
    ]


def test_iharmony4_files_are_paired_by_the_rules_of_the_set(trees: Path) -> None:
    assert names(readers.read(trees / "iharmony4", "test")) == [
        ("HCOCO", "c100104_1409_1", "c100104_1409_1.jpg", "c100104_1409.png", "c100104.jpg"),
        ("HCOCO", "c100104_1409_2", "c100104_1409_2.jpg", "c100104_1409.png", "c100104.jpg"),
        ("HAdobe5k", "a0001_1_1", "a0001_1_1.jpg", "a0001_1.PNG", "a0001.JPG"),
        ("HFlickr", "f24_1_1", "f24_1_1.jpg", "f24_1.jpg", "f24.jpg"),
        ("Hday2night", "d1-2_1_3", "d1-2_1_3.jpg", "d1-2_1.png", "d1-2.jpg"),
    ]
    assert [s.id for s in readers.read(trees / "iharmony4", "train")] == [
        "c200_7_1",
        "a0002_1_3",
        "f25_1_1",
        "d1-9_1_4",
    ]


def test_one_subset_can_be_read_alone(trees: Path) -> None:
    assert [s.id for s in readers.read(trees / "iharmony4" / "HFlickr", "test")] == ["f24_1_1"]


def test_pixels_are_those_of_the_files(trees: Path) -> None:
    first = readers.read(trees / "iharmony4", "test")[0]
    with Image.open(first.composite_path) as image:
        stored = np.asarray(image)
    assert first.composite.dtype == np.float32
    np.testing.assert_allclose(first.composite * 255, stored, atol=1e-3)
    inside = first.mask > 0
    assert 0.2 < inside.mean() < 0.5
    # Outside the mask a composite is its real photo, up to what JPEG does to either.
    difference = np.abs(first.composite - first.real).mean(-1)
    assert difference[~inside].mean() < 0.02 < 0.03 < difference[inside].mean()


def test_masks_are_binarized_after_resizing_or_kept_soft(trees: Path) -> None:
    root = trees / "iharmony4"
    (hard,) = [s for s in readers.read(root, "train", size=16) if s.subset == "HCOCO"]
    (soft,) = [s for s in readers.read(root, "train", size=16, soft=True) if s.subset == "HCOCO"]
    assert hard.mask.shape == (16, 16)
    assert hard.composite.shape == hard.real.shape == (16, 16, 3)
    assert set(np.unique(hard.mask)) == {0.0, 1.0}
    assert np.count_nonzero((soft.mask > 0) & (soft.mask < 1)) > 10
    np.testing.assert_array_equal(hard.mask, soft.mask > 0.5)


def test_ffhqh_and_its_real_photos_elsewhere(trees: Path, tmp_path: Path) -> None:
    inside = readers.read(trees / "ffhqh", "train")
    assert names(inside) == [
        ("FFHQH", f"0000{i}", f"0000{i}.jpg", f"0000{i}.png", f"0000{i}.png") for i in range(3)
    ]
    # As the authors publish it: no photos inside, FFHQ's own folder has subfolders.
    tree = tmp_path / "FFHQH"
    shutil.copytree(trees / "ffhqh", tree)
    ffhq = tmp_path / "images1024x1024" / "00000"
    ffhq.parent.mkdir()
    (tree / "real").rename(ffhq)
    (apart,) = readers.read(tree, "test", real=ffhq.parent)
    assert apart.real_path == ffhq / "00004.png"
    assert apart.real.shape == (32, 40, 3)
    with pytest.raises(BadData, match=r"real: expected the folder of the real photos.*--real"):
        readers.read(tree, "test")


def test_what_is_missing_is_named(trees: Path, tmp_path: Path) -> None:
    tree = tmp_path / "iharmony4"
    shutil.copytree(trees / "iharmony4", tree)
    (tree / "HCOCO" / "masks" / "c100104_1409.png").unlink()
    (tree / "HFlickr" / "real_images" / "f24.jpg").unlink()
    with pytest.raises(BadData, match=r"the mask of c100104_1409_1.jpg is missing \(and 2 more"):
        readers.read(tree, "test")
    found, problems = readers.find(tree, "test")
    assert [s.subset for s in found] == ["HAdobe5k", "Hday2night"]
    assert [p.rsplit(": ", 1)[1] for p in problems] == [
        "the mask of c100104_1409_1.jpg is missing",
        "the mask of c100104_1409_2.jpg is missing",
        "the real photo of f24_1_1.jpg is missing",
    ]


@pytest.mark.parametrize(
    ("place", "split", "sentence"),
    [
        ("nowhere", "test", "there is no such folder"),
        (".", "test", "found neither"),
        ("iharmony4", "val", "no val"),
        ("iharmony4", "dev", "expected one of train, val, test, got 'dev'"),
    ],
)
def test_bad_requests_get_a_sentence(trees: Path, place: str, split: str, sentence: str) -> None:
    with pytest.raises(BadData, match=sentence):
        readers.read(trees / place, split)


def test_names_that_break_the_rule_and_empty_lists(tmp_path: Path) -> None:
    (tmp_path / "HCOCO").mkdir()
    (tmp_path / "HCOCO" / "HCOCO_test.txt").write_text("picture.jpg\n")
    with pytest.raises(BadData, match=r"expected a name like a_b_c.jpg, got 'picture.jpg'"):
        readers.read(tmp_path, "test")
    (tmp_path / "HCOCO" / "HCOCO_test.txt").write_text("\n")
    with pytest.raises(BadData, match="found none"):
        readers.read(tmp_path, "test")
    with pytest.raises(BadData, match=r"HCOCO_train.txt: .* no such file"):
        readers.read(tmp_path, "train")
    assert readers.splits(tmp_path) == ["test"]
