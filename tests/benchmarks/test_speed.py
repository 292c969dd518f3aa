"""``phnet benchmark``: all figures are there, and they are of the right order."""

import json
import shutil
import sys
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest

from phnet.benchmarks import speed
from phnet.benchmarks.aspect_ratio import Shape, shape_figures, small_pair
from phnet.benchmarks.matting import matte_figures
from phnet.benchmarks.speed import picture, spread, timed
from phnet.cli import main
from phnet.errors import BadData
from phnet.harmonization.harmonizer import Harmonizer
from phnet.images.arrays import to_float
from phnet.matting.matte import Matter

EXAMPLE = Path(__file__).parents[2] / "examples"
PORTRAITS = Path(__file__).parents[1] / "portraits"


def test_spread_is_median_and_extremes() -> None:
    assert spread([3.0, 1.0, 9.0]) == {"median_s": 3.0, "min_s": 1.0, "max_s": 9.0}


def test_the_first_run_does_not_count() -> None:
    runs: list[int] = []
    assert len(timed(lambda: runs.append(1), 3)) == 3
    assert len(runs) == 4


def test_the_picture_has_a_soft_mask() -> None:
    composite, mask = picture(60, 80)
    assert (composite.shape, composite.dtype, mask.shape) == ((60, 80, 3), np.uint8, (60, 80))
    assert 0.3 < mask.mean() / 255 < 0.5
    assert ((mask > 20) & (mask < 235)).any()


@pytest.mark.parametrize("shape", get_args(Shape))
@pytest.mark.parametrize("size", [(48, 96), (96, 48), (64, 64)])
def test_every_way_keeps_the_picture_aligned(shape: Shape, size: tuple[int, int]) -> None:
    """What comes back is the small picture, with the network's change under the mask alone."""
    height, width = size
    composite, mask = picture(4 * height, 4 * width)
    alpha = to_float(mask)
    small, result, small_alpha = small_pair(Harmonizer(threads=1), composite, alpha, shape, 96)
    rows, columns = small_alpha.shape
    assert small.shape == result.shape == (rows, columns, 3)
    if shape == "stretch":
        assert (rows, columns) == (96, 96)
    else:
        assert (rows, columns) == (96 * height // max(size), 96 * width // max(size))
    np.testing.assert_array_equal(result[small_alpha == 0], small[small_alpha == 0])
    assert np.abs(result - small)[small_alpha == 1].max() > 0.01


def test_shapes_are_scored_by_aspect(tmp_path: Path) -> None:
    for name in ("test_0010", "test_0019"):
        for suffix in (".jpg", ".png"):
            shutil.copy(PORTRAITS / (name + suffix), tmp_path)
    figures = shape_figures(tmp_path, Harmonizer(threads=1), side=64)
    assert {kind: of["photos"] for kind, of in figures.items()} == {"not_square": 1, "square": 1}
    for of in figures.values():
        for shape in get_args(Shape):
            assert 15 < of[shape]["fpsnr_db"] < of[shape]["psnr_db"] < 60
    with pytest.raises(BadData, match=r"expected photos NAME\.jpg"):
        shape_figures(tmp_path / "none", Harmonizer(threads=1))


def test_benchmark_prints_every_figure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(speed, "SIZES", {"tiny": (300, 400)})
    monkeypatch.setattr(
        sys, "argv", ["phnet", "benchmark", "--json", "--repeat", "1", "--example", str(EXAMPLE)]
    )
    with pytest.raises(SystemExit) as caught:
        main()
    assert not caught.value.code
    figures = json.loads(capsys.readouterr().out)
    assert figures["machine"]["versions"]["numpy"] == np.__version__
    assert figures["small"]["threads"] == 1
    for figure in ("network", "end_to_end", "with_lift"):
        assert figures["small"][figure]["median_s"] > 0
    assert figures["large"]["tiny"]["median_s"] > 0
    assert figures["new_process"]["import"]["median_s"] < figures["new_process"]["wall"]["median_s"]
    assert figures["new_process"]["picture"] == str(EXAMPLE / "composite.jpg")
    if figures["paper_in_torch"]:
        assert figures["paper_in_torch"]["median_s"] > 0


def test_matting_is_scored_against_masks(tmp_path: Path) -> None:
    for name in ("a", "b"):
        source = sorted(PORTRAITS.glob("*.jpg"))[0]
        shutil.copy(source, tmp_path / f"{name}.jpg")
        shutil.copy(source.with_suffix(".png"), tmp_path / f"{name}.png")
    mask = cv2.imread(str(tmp_path / "b.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(tmp_path / "b.png"), 255 - mask)  # whatever is found is wrong there
    figures = matte_figures(tmp_path, Matter(threads=1))
    assert figures["photos"] == 2
    assert 0.4 < figures["mean_iou"] < 0.6
    assert figures["iou_10th_percentile"] < 0.2
    assert figures["no_person"] == 0


def test_a_photo_without_a_person_counts_as_nothing_found(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "gray.jpg"), np.full((120, 120, 3), 128, np.uint8))
    cv2.imwrite(str(tmp_path / "gray.png"), np.full((120, 120), 255, np.uint8))
    figures = matte_figures(tmp_path, Matter(threads=1))
    assert (figures["no_person"], figures["mean_iou"]) == (1, 0)
    with pytest.raises(BadData, match="found none"):
        matte_figures(tmp_path / "empty", Matter(threads=1))
