"""From a data set to predictions, scores, intervals, checks and the report."""

import csv
import io
import json
import math
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from phnet.cli import app
from phnet.datasets.readers import read
from phnet.errors import BadData, BadInput, BadMask, BadOutput
from phnet.evaluation import (
    metrics,
    no_reference,
    protocols,
    score,
    statistics,
)
from phnet.evaluation.baselines import METHODS
from phnet.images.arrays import to_uint8
from tests.evaluation.conftest import FIXTURES, IHARMONY4, Half


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def scored(**values: object) -> statistics.Scored:
    """Two images of one subset, with values to be overridden."""
    standard = {
        "name": "a",
        "ids": ["x", "y"],
        "subsets": ["HCOCO", "HCOCO"],
        "shares": np.array([0.04, 0.5]),
        "lumas": np.array([10.0, 100]),
        "scores": np.array([[1.0, 40, 2, 30, 0.9, 1], [3.0, 30, 6, 20, 0.8, 2]]),
        "checks": np.zeros((2, 5)),
        "untouched": np.array([math.nan, math.nan]),
        "paths": [Path("x.png"), Path("y.png")],
    }
    return statistics.Scored(**{**standard, **values})


# -- predictions --------------------------------------------------------------------------


def test_predictions_have_the_composites_names_and_lose_nothing(predictions: Path) -> None:
    for sample in read(IHARMONY4, "test"):
        path = predictions / "composite" / sample.composite_path.name
        stored = cv2.imread(str(path))[..., ::-1]
        assert np.array_equal(stored, to_uint8(sample.composite))
        kept = cv2.imread(str(predictions / "half" / "untouched" / path.name))[..., ::-1]
        photo = to_uint8(sample.real)
        assert np.array_equal(kept, Half().harmonize(photo, sample.mask))


def test_predictions_stay_out_of_the_data_set(pair_tree: Path) -> None:
    with pytest.raises(BadOutput, match="other than"):
        score.predict(read(pair_tree, "test"), Half(), pair_tree / "comp")


def test_size_is_that_of_predictions_and_scores(pair_tree: Path, tmp_path: Path) -> None:
    samples = read(pair_tree, "test", size=20)
    score.predict(samples, METHODS["composite"], tmp_path / "small")
    assert cv2.imread(str(next((tmp_path / "small").glob("0*")))).shape == (20, 20, 3)
    (found,) = score.evaluate(samples, [tmp_path / "small"])
    real, composite = (to_uint8(p) for p in (samples[0].real, samples[0].composite))
    assert found.scores[0, 0] == pytest.approx(metrics.mse(composite, real))
    with pytest.raises(BadData, match="40x40, got 20x20"):
        score.evaluate(read(pair_tree, "test"), [tmp_path / "small"])


# -- scores -------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_scores_are_those_of_the_files(predictions: Path, jobs: int) -> None:
    samples = read(IHARMONY4, "test")
    folders = [predictions / "half", predictions / "composite"]
    half, untouched = score.evaluate(samples, folders, protocol="paper", jobs=jobs)
    assert (half.name, untouched.name) == ("half", "composite")
    assert half.ids == [s.id for s in samples]
    assert half.subsets == [s.subset for s in samples]
    for i, sample in enumerate(samples):
        real, composite = (to_uint8(p) for p in (sample.real, sample.composite))
        result = Half().harmonize(composite, sample.mask)
        expected = protocols.find("paper").scores(result, real, sample.mask)
        assert half.scores[i] == pytest.approx(list(vars(expected).values()))
        assert half.shares[i] == pytest.approx(sample.mask.mean())
        idle = metrics.mse(Half().harmonize(real, sample.mask), real)
        assert half.untouched[i] == pytest.approx(idle)
        assert math.isnan(untouched.untouched[i])
        inside = sample.mask > 0
        luma = composite[inside] @ np.array([0.299, 0.587, 0.114])
        assert half.lumas[i] == pytest.approx(luma.mean())


def test_what_is_missing_is_said_before_any_work(predictions: Path) -> None:
    samples = read(IHARMONY4, "test")
    (predictions / "half" / samples[0].composite_path.name).unlink()
    (predictions / "half" / samples[1].composite_path.name).unlink()
    with pytest.raises(BadData, match=rf"{samples[0].composite_path.name} and 1 more"):
        score.evaluate(samples, [predictions / "half"])
    with pytest.raises(BadData, match="none"):
        score.evaluate(samples, [predictions / "nowhere"])


def test_a_prediction_is_found_under_another_extension(predictions: Path) -> None:
    samples = read(IHARMONY4, "test")
    before = score.evaluate(samples, [predictions / "half"])[0].scores
    for path in list((predictions / "half").glob("*.*")):
        path.rename(path.with_suffix(".png"))
    after = score.evaluate(samples, [predictions / "half"])[0].scores
    assert np.array_equal(before, after)


@pytest.fixture
def half_empty(tmp_path: Path) -> Path:
    """A tree of two composites, of which the first has an empty mask."""
    tree = tmp_path / "tree"
    for name in ("comp", "real", "alpha"):
        (tree / name).mkdir(parents=True)
        picture = np.full((16, 16, 3), 90, np.uint8)
        cv2.imwrite(str(tree / name / "a.png"), picture * (name != "alpha"))
        added = {"comp": 20, "alpha": 165, "real": 0}[name]
        cv2.imwrite(str(tree / name / "b.png"), picture + np.uint8(added))
    (tree / "test_split.txt").write_text("a.png\nb.png\n")
    return tree


def test_one_empty_mask_fails_one_image(half_empty: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shown = run("predict", "--data", half_empty, "--method", "composite", "-o", out)
    assert "1 left out" in shown
    assert not (out / "a.png").exists()
    (found,) = score.evaluate(read(half_empty, "test"), [out])
    assert found.ids == ["b"]
    assert found.scores[0, 0] == 400
    assert [name for name, _ in found.failed] == ["a"]
    summary = json.loads(
        run("evaluate", "--data", half_empty, "--predictions", out, "--format", "json")
    )
    assert "alpha/a.png: mask: expected a foreground" in summary["failed"][0]["reason"]
    assert "left out: a: " in run("evaluate", "--data", half_empty, "--predictions", out)
    made = tmp_path / "page.html"
    run("evaluate", "--data", half_empty, "--predictions", out, "--format", "html", "-o", made)
    assert "Left out" in made.read_text()


def test_only_empty_masks_are_refused(half_empty: Path, tmp_path: Path) -> None:
    (half_empty / "test_split.txt").write_text("a.png\n")
    samples = read(half_empty, "test")
    with pytest.raises(BadMask, match=r"alpha.a\.png: mask: expected a foreground"):
        score.predict(samples, Half(), tmp_path / "out")
    with pytest.raises(BadMask, match=r"alpha.a\.png: mask: expected a foreground"):
        score.evaluate(samples, [tmp_path / "out"])


def test_predictions_may_have_a_suffix(predictions: Path) -> None:
    samples = read(IHARMONY4, "test")
    before = score.evaluate(samples, [predictions / "half"])[0]
    for sample in samples:
        path = predictions / "half" / sample.file_name
        path.rename(path.with_name(f"{path.stem}_harmonized.png"))
    with pytest.raises(BadData, match="expected a prediction for"):
        score.evaluate(samples, [predictions / "half"])
    for path in (predictions / "half" / "untouched").iterdir():
        path.rename(path.with_name(f"{path.stem}_harmonized.png"))
    after = score.evaluate(samples, [predictions / "half"], suffix="_harmonized")[0]
    assert np.array_equal(before.scores, after.scores)


def test_a_set_has_the_sum_of_its_own_files(half_empty: Path, tmp_path: Path) -> None:
    samples = read(half_empty, "test")
    score.predict(samples, METHODS["composite"], tmp_path / "out")
    first = score.evaluate(samples, [tmp_path / "out"])[0].digest
    assert score.evaluate(samples, [tmp_path / "out"])[0].digest == first
    assert score.evaluate(samples[1:], [tmp_path / "out"])[0].digest != first
    cv2.imwrite(str(samples[1].real_path), np.full((16, 16, 3), 91, np.uint8))
    assert score.evaluate(samples, [tmp_path / "out"])[0].digest != first


def test_what_predict_noted_stands_beside_the_figures(half_empty: Path, tmp_path: Path) -> None:
    samples, out = read(half_empty, "test"), tmp_path / "out"
    score.predict(samples, Half(), out, about={"name": "halving", "parameters": 7})
    (found,) = score.evaluate(samples, [out])
    assert (found.note["name"], found.note["parameters"]) == ("halving", 7)
    shown = statistics.as_table(statistics.summary([found]))
    assert "halving" in shown
    assert "parameters" in shown
    (out / "method.json").write_text('{"name": 3, "parameters": "many"}')
    assert score.read_note(out) == {}


def test_the_former_convention_is_refused_with_the_new_name(tmp_path: Path) -> None:
    command = ["evaluate", "--data", str(IHARMONY4), "--predictions", str(tmp_path)]
    with pytest.raises(BadInput, match=r"--convention: expected --protocol.*released"):
        CliRunner().invoke(app, [*command, "--convention", "iharmony4"], catch_exceptions=False)


def test_folders_of_one_name_are_told_apart() -> None:
    names = score.names_of([Path("/a/one/test"), Path("/a/two/test")])
    assert names == ["one/test", "two/test"]


def test_memory_does_not_grow_with_the_pictures_of_a_set(predictions: Path) -> None:
    samples = read(IHARMONY4, "test", size=128)
    score.predict(samples, METHODS["composite"], predictions / "composite")

    def peak(repeats: int) -> int:
        tracemalloc.start()
        score.evaluate(samples * repeats, [predictions / "composite"])
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)  # imports and caches
    once, often = peak(1), peak(12)
    picture = 128 * 128 * 3
    assert once > picture
    assert often < once + 2 * picture  # 55 further composites, photos, masks and predictions passed


# -- the command line ---------------------------------------------------------------------


def test_from_data_to_json_and_csv(tmp_path: Path) -> None:
    for name in ("composite", "mk", "default"):
        where = tmp_path / name
        run("predict", "--data", IHARMONY4, "--split", "test", "--method", name, "-o", where)
    common = ["evaluate", "--data", IHARMONY4, "--split", "test"]
    both = ["--predictions", tmp_path / "composite", "--predictions", tmp_path / "mk"]
    found = json.loads(run(*common, *both, "--format", "json"))
    assert [m["name"] for m in found["methods"]] == ["composite", "mk"]
    first = found["methods"][0]
    assert list(first["subsets"]) == ["ALL", "HCOCO", "HAdobe5k", "HFlickr", "Hday2night"]
    errors = [metrics.mse(255 * s.composite, 255 * s.real) for s in read(IHARMONY4, "test")]
    assert first["subsets"]["ALL"]["mse"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert sum(band["n"] for band in first["ratio_bands"].values()) == first["n"] == 5
    assert found["paired"][0]["second"] == "mk"
    assert 0 < found["paired"][0]["mse"]["p"] < 1
    assert found["protocol"]["name"] == "paper"
    assert len(found["set_sha256"]) == 64
    table = tmp_path / "scores.csv"
    run(*common, *both, "--format", "csv", "-o", table)
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert len(rows) == 10
    mine = [float(row["mse"]) for row in rows if row["method"] == "composite"]
    assert mine == pytest.approx(errors, rel=1e-4)
    shown = run(*common, "--predictions", tmp_path / "default")
    assert "HAdobe5k" in shown
    assert "[" in shown


def test_a_checkpoint_is_a_method(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    where = tmp_path / "released"
    weights = FIXTURES / "released_small.pth"
    run("predict", "--data", FIXTURES / "ffhqh", "--method", weights, "-o", where, "--size", 64)
    samples = read(FIXTURES / "ffhqh", "test", size=64)
    (found,) = score.evaluate(samples, [where])
    assert np.isfinite(found.scores).all()
    assert (found.checks[:, no_reference.CHECKS.index("background_changed")] == 0).all()


def test_a_network_can_be_asked_for_its_self_ensemble(tmp_path: Path) -> None:
    common = ["predict", "--data", str(FIXTURES / "ffhqh"), "--size", "64", "-o"]
    run(*common, tmp_path / "one")
    run(*common, tmp_path / "both", "--self-ensemble")
    samples = read(FIXTURES / "ffhqh", "test", size=64)
    one, both = score.evaluate(samples, [tmp_path / "one", tmp_path / "both"])
    assert (one.scores != both.scores).any()
    command = [*common, str(tmp_path / "p"), "--method", "mk", "--self-ensemble"]
    with pytest.raises(BadInput, match="mk is none"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    assert not (tmp_path / "p").exists()


def test_an_unknown_method_is_refused(tmp_path: Path) -> None:
    command = ["predict", "--data", str(IHARMONY4), "-o", str(tmp_path / "p"), "--method", "magic"]
    with pytest.raises(BadInput, match="'magic'"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    assert not (tmp_path / "p").exists()
