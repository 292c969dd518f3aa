"""Figures 4 and 5: rows of composite, mask, predictions and true photo."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from phnet.cli import app
from phnet.datasets.readers import read
from phnet.errors import BadData, BadOutput
from phnet.evaluation import qualitative, score
from phnet.evaluation.baselines import METHODS
from phnet.evaluation.qualitative import CELL, GAP, HEAD


def test_each_column_shows_what_its_head_says(pair_tree: Path, tmp_path: Path) -> None:
    samples = read(pair_tree, "test")
    for name in ("composite", "mk"):
        score.predict(samples, METHODS[name], tmp_path / name)
    methods = score.evaluate(samples, [tmp_path / "composite", tmp_path / "mk"])
    sheet = qualitative.sheet(samples, methods, [samples[0].id])
    assert sheet.shape == (HEAD + CELL + GAP, 5 * (CELL + GAP), 3)

    def shown(column: int) -> np.ndarray:
        left = column * (CELL + GAP)
        return sheet[HEAD : HEAD + CELL, left : left + CELL].astype(float)

    for column, picture in ((0, samples[0].composite), (4, samples[0].real)):
        large = cv2.resize(picture * 255, (CELL, CELL), interpolation=cv2.INTER_CUBIC)
        assert np.abs(shown(column) - large.clip(0, 255)).mean() < 1
    assert np.array_equal(shown(2), shown(0))  # the method that changes nothing
    assert np.abs(shown(3) - shown(0)).mean() > 1
    assert shown(1)[CELL // 2, CELL // 2].tolist() == [255] * 3
    assert sheet[:HEAD].min() < 128  # the heads
    with pytest.raises(BadData, match="'nobody'"):
        qualitative.sheet(samples, methods, ["nobody"])


def test_rows_go_from_the_best_to_the_worst(pair_tree: Path, tmp_path: Path) -> None:
    samples = read(pair_tree, "train")
    score.predict(samples, METHODS["mk"], tmp_path / "mk")
    (method,) = score.evaluate(samples, [tmp_path / "mk"])
    fmse = dict(zip(method.ids, method.scores[:, 2], strict=True))
    errors = [fmse[name] for name in qualitative.chosen(method, 3)]
    assert errors == sorted(errors)
    assert (errors[0], errors[-1]) == (min(fmse.values()), max(fmse.values()))


def test_the_command_writes_the_figure(pair_tree: Path, tmp_path: Path) -> None:
    samples = read(pair_tree, "test")
    score.predict(samples, METHODS["composite"], tmp_path / "composite")
    command = ["evaluate", "--data", str(pair_tree), "--predictions", str(tmp_path / "composite")]
    command += ["--format", "figure", "-o", str(tmp_path / "f.jpg"), "--images", samples[0].id]
    assert CliRunner().invoke(app, command, catch_exceptions=False).exit_code == 0
    assert cv2.imread(str(tmp_path / "f.jpg")).shape == (HEAD + CELL + GAP, 4 * (CELL + GAP), 3)
    command[command.index(str(tmp_path / "f.jpg"))] = str(tmp_path / "f.gif")
    with pytest.raises(BadOutput, match=r"\.jpg or \.png"):
        CliRunner().invoke(app, command, catch_exceptions=False)
