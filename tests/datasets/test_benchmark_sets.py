"""The four sets: what is in them, and that a photo that needs nothing is one."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from phnet.datasets.benchmark_sets import SETS, make_set, make_triple, photos_with_masks
from phnet.datasets.readers import read
from phnet.errors import BadData
from tests.conftest import disc_mask

PORTRAITS = Path(__file__).parents[1] / "portraits"


def test_a_tree_of_each_set_is_read_again(tmp_path: Path) -> None:
    files = photos_with_masks(PORTRAITS)[:3]
    for name in SETS:
        make_set(name, files, [files[0][0]], tmp_path / name)
        samples = list(read(tmp_path / name, "test"))
        assert [s.id for s in samples] == [photo.stem for photo, _ in files]
        for (photo_path, _), stem in zip(files, (s.id for s in samples), strict=True):
            composite, alpha, real = (
                cv2.imread(str(tmp_path / name / part / f"{stem}.png"), cv2.IMREAD_UNCHANGED)
                for part in ("comp", "alpha", "real")
            )
            outside = alpha == 0
            assert set(np.unique(alpha)) == {0, 255}
            assert np.array_equal(composite[outside], real[outside])
            changed = np.abs(composite.astype(int) - real)[~outside].mean()
            assert (changed == 0) == (name == "nothing")
            own = cv2.imread(str(photo_path)).shape[:2]
            assert composite.shape[:2] == (own if name == "own-size" else (256, 256))


def test_the_seed_decides() -> None:
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 255, (90, 80, 3), np.uint8)
    mask, scene = disc_mask(90, 80), rng.integers(0, 99, (50, 99, 3), np.uint8)
    one, other, again = (
        make_triple("foreign-light", photo, mask, scene, seed) for seed in ([1, 2], [1, 3], [1, 2])
    )
    assert not np.array_equal(one[2], other[2])
    assert np.array_equal(one[2], again[2])
    without = make_triple("foreign-light", photo, mask, None, [1, 2])
    assert not np.array_equal(one[2], without[2])


def test_what_cannot_be_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="expected photos"):
        photos_with_masks(tmp_path)
    with pytest.raises(BadData, match="expected one of paper"):
        make_set("papers", [], [], tmp_path)
