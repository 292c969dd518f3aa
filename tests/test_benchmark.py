"""``phnet benchmark``: all figures are there, and they are of the right order."""

import json
import sys

import numpy as np
import pytest

from phnet import benchmark
from phnet.benchmark import picture, spread, timed
from phnet.cli import main


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


def test_benchmark_prints_every_figure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "SIZES", {"tiny": (300, 400)})
    monkeypatch.setattr(sys, "argv", ["phnet", "benchmark", "--json", "--repeat", "1"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert not caught.value.code
    figures = json.loads(capsys.readouterr().out)
    assert figures["machine"]["versions"]["numpy"] == np.__version__
    assert figures["small"]["threads"] == 1
    for figure in ("network", "end_to_end", "with_lift"):
        assert 0 < figures["small"][figure]["median_s"] < 60
    assert 0 < figures["large"]["tiny"]["median_s"] < 60
    assert figures["new_process"]["import"]["median_s"] < figures["new_process"]["wall"]["median_s"]
    if figures["paper_in_torch"]:
        assert figures["paper_in_torch"]["median_s"] > figures["small"]["network"]["median_s"]
