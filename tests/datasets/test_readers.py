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
    with pytest.raises(BadData, match=r"real: expected the folder of the real photos.*\(real\)"):
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


def make(root: Path, *names: str) -> None:
    """Small pictures at these paths."""
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 10), (9 * i % 256, 90, 30)).save(path)


@pytest.mark.parametrize("subset", ["RPHarmony", "HVIDIT", "ccHarmony"])
@pytest.mark.parametrize("listed", ["NAME_test.txt", "test.txt", "other_test.txt", None])
def test_a_subset_of_any_name(tmp_path: Path, subset: str, listed: str | None) -> None:
    folder = tmp_path / "data" / subset
    make(folder, "composite_images/p1_2_3.jpg", "masks/p1_2.png", "real_images/p1.jpg")
    make(folder, "composite_images/same.png", "masks/same.png", "real_images/same.png")
    if listed:
        (folder / listed.replace("NAME", subset)).write_text("p1_2_3.jpg\nsame.png\n")
    expected = [
        (subset, "p1_2_3", "p1_2_3.jpg", "p1_2.png", "p1.jpg"),
        (subset, "same", "same.png", "same.png", "same.png"),
    ]
    for root in (folder, folder.parent):
        assert readers.layout(root) == "iHarmony4's layout"
        assert readers.splits(root) == ["test"]
        assert names(readers.read(root, "test")) == expected


def test_degraded_composites_and_one_list_for_all(tmp_path: Path) -> None:
    for subset in ("D-HCOCO", "D-HFlickr"):
        make(tmp_path / subset, "composite_degraded_images/a_1_1.jpg", "masks/a_1.png")
        make(tmp_path / subset, "real_images/a.jpg")
    (tmp_path / "IHD_test.txt").write_text(
        "D-HCOCO/composite_degraded_images/a_1_1.jpg\nD-HFlickr/composite_degraded_images/a_1_1.jpg\n"
    )
    found = readers.read(tmp_path, "test")
    # two composites of one name: ids, and so predictions, say whose
    assert [s.file_name for s in found] == ["D-HCOCO/a_1_1.jpg", "D-HFlickr/a_1_1.jpg"]
    assert {s.composite_path.parent.name for s in found} == {"composite_degraded_images"}


@pytest.mark.parametrize(
    ("folders", "listed"),
    [
        (("Composite", "Mask", "Ground-truth"), "v1\n"),
        (("Composite", "Mask", "Ground-truth"), "v1/object_0\n"),
        (
            ("synthetic_composite_videos", "foreground_mask", "real_videos"),
            "".join(
                f"real_videos/v1/{f}.jpg foreground_mask/v1/object_0/{f}.png "
                f"synthetic_composite_videos/v1/object_0/{f}.jpg\n"
                for f in ("00000", "00005")
            ),
        ),
    ],
)
def test_hyoutube_is_read_as_frames(
    tmp_path: Path, folders: tuple[str, str, str], listed: str
) -> None:
    composite, mask, real = folders
    for frame in ("00000", "00005"):
        make(tmp_path, f"{composite}/v1/object_0/{frame}.jpg", f"{mask}/v1/object_0/{frame}.png")
        make(tmp_path, f"{real}/v1/{frame}.jpg", f"{composite}/v2/object_0/{frame}.jpg")
    (tmp_path / ("test_frames.txt" if " " in listed else "test.txt")).write_text(listed)
    assert readers.layout(tmp_path) == "HYouTube"
    found = readers.read(tmp_path, "test")
    assert [s.id for s in found] == ["v1/object_0/00000", "v1/object_0/00005"]
    assert {s.video for s in found} == {"v1/object_0"}
    assert found[1].real_path == tmp_path / real / "v1" / "00005.jpg"
    assert found[1].mask.shape == (10, 12)
    (tmp_path / "train.txt").write_text("v2\n")
    with pytest.raises(BadData, match=r"the mask of v2/object_0/00000.jpg is missing \(and 3 more"):
        readers.read(tmp_path, "train")


def test_lists_of_json_lines(tmp_path: Path) -> None:
    make(tmp_path, "x/comp.png", "x/m.png", "x/r.png")
    make(tmp_path, "HCOCO/composite_images/a_1_2.jpg", "HCOCO/masks/a_1.png")
    make(tmp_path, "HCOCO/real_images/a.jpg")
    (tmp_path / "test.jsonl").write_text(
        '{"composite": "x/comp.png", "mask": "x/m.png", "real": "x/r.png", "id": "one", '
        '"video": "v"}\n'
        '{"file_name": "HCOCO/composite_images/a_1_2.jpg", "text": ""}\n'
    )
    for root in (tmp_path, tmp_path / "test.jsonl"):
        assert readers.splits(root) == ["test"]
        one, other = readers.read(root, "test")
        assert (one.id, one.video, one.mask_path) == ("one", "v", tmp_path / "x" / "m.png")
        assert (other.subset, other.id, other.real_path.name) == ("HCOCO", "a_1_2", "a.jpg")
    (tmp_path / "test.jsonl").write_text(
        '{"composite": "x/comp.png", "mask": "x/no.png", "real": 3}\n'
    )
    with pytest.raises(BadData, match=r"m.*is missing"):
        readers.read(tmp_path, "test")
    for line in ("[]", "{", '{"composite": 3}', "[" * 5000):
        (tmp_path / "test.jsonl").write_text(line + "\n")
        with pytest.raises(BadData, match="line 1: expected an object that names a composite"):
            readers.read(tmp_path, "test")


def test_an_id_cannot_lead_out_of_the_folder_of_predictions(tmp_path: Path) -> None:
    make(tmp_path, "c.png", "m.png", "r.png")
    for name in ("../../a", "/etc/a", "a/../../b"):
        (tmp_path / "test.jsonl").write_text(
            f'{{"composite": "c.png", "mask": "m.png", "real": "r.png", "id": "{name}"}}\n'
        )
        with pytest.raises(BadData, match="expected an id and a subset"):
            readers.read(tmp_path, "test")


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
