"""Means, intervals and paired tests of scores."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from phnet.evaluation import (
    statistics,
)
from tests.evaluation.test_score import scored


def test_summary_has_means_by_subset_and_band() -> None:
    made = scored(subsets=["HCOCO", "HFlickr"])
    (method,) = statistics.summary([made])["methods"]
    assert (method["name"], method["n"]) == ("a", 2)
    assert method["subsets"]["ALL"] == pytest.approx(
        {"mse": 2, "psnr": 35, "fmse": 4, "fpsnr": 25, "ssim": 0.85, "delta_e": 1.5}
    )
    assert method["subsets"]["HFlickr"]["mse"] == 3
    assert method["ratio_bands"] == {
        "0-5": {"n": 1, "mse": 1, "fmse": 2},
        "5-15": {"n": 0, "mse": None, "fmse": None},
        "15-100": {"n": 1, "mse": 3, "fmse": 6},
    }


@pytest.mark.parametrize(
    ("share", "band"), [(0.0499, "0-5"), (0.05, "5-15"), (0.15, "15-100"), (1.0, "15-100")]
)
def test_bands_have_the_papers_edges(share: float, band: str) -> None:
    (method,) = statistics.summary([scored(shares=np.array([share, share]))])["methods"]
    assert method["ratio_bands"][band]["n"] == 2


def test_infinite_decibels_are_null_in_json() -> None:
    scores = np.array([[0.0, math.inf, 0, math.inf, 1, 0], [2, 40, 4, 30, 0.5, 1]])
    found = statistics.summary([scored(scores=scores), scored(scores=scores, name="b")])
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text)["methods"][0]["subsets"]["ALL"]["psnr"] is None
    assert found["methods"][0]["subsets"]["ALL"]["mse"] == 1
    assert found["paired"][0]["psnr"]["difference"] == 0


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(200):
        low, high = statistics.intervals(rng.normal(3, 1, (50, 1)), resamples=300)[:, 0]
        hits += low <= 3 <= high
    assert 178 <= hits <= 198  # 190 expected; a bootstrap of 50 is a little narrow
    values = rng.normal(0, 1, (40, 2))
    assert np.array_equal(statistics.intervals(values), statistics.intervals(values))
    # as wide as theory says: 2 * 1.96 deviations of the mean
    low, high = statistics.intervals(values)[:, 0]
    assert high - low == pytest.approx(3.92 * values[:, 0].std() / 40**0.5, rel=0.15)


def test_comparison_is_of_the_same_images() -> None:
    rng = np.random.default_rng(6)
    hardness = rng.uniform(0, 1000, 100)  # differs far more between images than methods do
    base = np.repeat(hardness[:, None], 6, 1)
    common = {"ids": [str(i) for i in range(100)], "subsets": ["FFHQH"] * 100}
    common |= {"shares": hardness / 1000, "lumas": hardness, "checks": np.zeros((100, 5))}
    common |= {"untouched": hardness, "paths": [Path("a")] * 100}
    better = scored(name="b", scores=base - 2 + rng.normal(0, 1, (100, 6)), **common)
    found = statistics.compare(better, scored(scores=base, **common))
    assert found["mse"]["difference"] == pytest.approx(-2, abs=0.3)
    assert found["mse"]["interval"][1] < -1.5
    assert found["mse"]["better"] > 0.9  # less error
    assert found["psnr"]["better"] < 0.1  # fewer decibels


def test_signed_rank_is_wilcoxons_test() -> None:
    # Of 8 positive differences of 8, two of the 2^8 signs are as extreme.
    assert statistics.signed_rank(np.arange(1.0, 9)) == pytest.approx(2 / 2**8)
    assert statistics.signed_rank(np.array([3.0, math.nan, 0, math.inf, -1, 5, 2, 4])) < 0.2
    assert statistics.signed_rank(np.zeros(5)) == 1
    assert statistics.signed_rank(np.full(3, math.nan)) is None
