"""From a data set to predictions, scores, intervals, checks and the report."""

import csv
import io
import json
import math
import tracemalloc
from html.parser import HTMLParser
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
    paper_tables,
    protocols,
    report,
    report_examples,
    score,
    statistics,
)
from phnet.evaluation.baselines import METHODS

FIXTURES = Path(__file__).parents[1] / "fixtures"
IHARMONY4 = FIXTURES / "iharmony4"


class Half:
    """Halves the foreground, whatever it is."""

    def harmonize(self, composite: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return np.where(mask[..., None] > 0.5, composite // 2, composite)


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    """Predictions of iHarmony4's fixture: untouched and halved, and halved real photos."""
    samples = read(IHARMONY4, "test")
    score.predict(samples, METHODS["composite"], tmp_path / "composite")
    seconds = score.predict(samples, Half(), tmp_path / "half")
    assert len(seconds) == len(samples)
    score.predict(samples, Half(), tmp_path / "half", untouched=True)
    return tmp_path


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
        assert np.array_equal(stored, score.to_bytes(sample.composite))
        kept = cv2.imread(str(predictions / "half" / "untouched" / path.name))[..., ::-1]
        photo = score.to_bytes(sample.real)
        assert np.array_equal(kept, Half().harmonize(photo, sample.mask))


def test_predictions_stay_out_of_the_data_set(pair_tree: Path) -> None:
    with pytest.raises(BadOutput, match="other than"):
        score.predict(read(pair_tree, "test"), Half(), pair_tree / "comp")


def test_size_is_that_of_predictions_and_scores(pair_tree: Path, tmp_path: Path) -> None:
    samples = read(pair_tree, "test", size=20)
    score.predict(samples, METHODS["composite"], tmp_path / "small")
    assert cv2.imread(str(next((tmp_path / "small").glob("0*")))).shape == (20, 20, 3)
    (found,) = score.evaluate(samples, [tmp_path / "small"])
    real, composite = (score.to_bytes(p) for p in (samples[0].real, samples[0].composite))
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
        real, composite = (score.to_bytes(p) for p in (sample.real, sample.composite))
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


# -- figures ------------------------------------------------------------------------------


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


# -- checks without a true photo -----------------------------------------------------------


@pytest.fixture
def portrait() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    photo = cv2.GaussianBlur(rng.integers(40, 215, (60, 60, 3)).astype(np.uint8), (5, 5), 1)
    mask = np.zeros((60, 60), bool)
    mask[15:50, 20:45] = True
    return photo, mask


def test_detail_is_kept_by_gains_and_lost_by_blur(portrait: tuple[np.ndarray, np.ndarray]) -> None:
    photo, mask = portrait
    dimmer = np.where(mask[..., None], photo * 0.5 + 20, photo).astype(np.uint8)
    blurred = np.where(mask[..., None], cv2.GaussianBlur(photo, (9, 9), 4), photo)
    assert no_reference.gradient_correlation(dimmer, photo, mask) > 0.99
    assert no_reference.gradient_correlation(blurred, photo, mask) < 0.8
    assert no_reference.gradient_correlation(255 - photo, photo, mask) == pytest.approx(-1)
    flat = np.full_like(photo, 9)
    assert math.isnan(no_reference.gradient_correlation(flat, flat, mask))


def test_color_step_in_gray_levels() -> None:
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    image = np.full((40, 40, 3), 100, np.uint8)
    image[mask] = (130, 100, 85)
    assert no_reference.color_step(image, mask) == pytest.approx((30 + 0 + 15) / 3)
    assert no_reference.color_step(np.full_like(image, 7), mask) == pytest.approx(0, abs=1e-9)
    assert math.isnan(no_reference.color_step(image, np.ones_like(mask)))


def test_clipping_counts_what_was_not_clipped_before() -> None:
    composite = np.array([[[0, 10, 20], [255, 30, 40]]], np.uint8)
    predicted = np.array([[[0, 0, 20], [255, 255, 40]]], np.uint8)
    assert no_reference.clipped(predicted, composite, np.ones((1, 2), bool)) == pytest.approx(2 / 6)
    assert no_reference.clipped(predicted, composite, np.array([[True, False]])) == pytest.approx(
        1 / 3
    )


def test_a_changed_background_is_counted(predictions: Path) -> None:
    samples = read(IHARMONY4, "test")
    path = predictions / "half" / samples[0].composite_path.name
    result = cv2.imread(str(path))
    mask = samples[0].mask
    y, x = np.argwhere(mask == 0)[0]
    result[y, x, 1] ^= 1
    cv2.imwrite(str(path.with_suffix(".png")), result)
    path.unlink()
    found = statistics.summary(score.evaluate(samples, [predictions / "half"]))
    assert found["methods"][0]["checks"]["images_with_background_changed"] == 1


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


# -- the report and the paper's numbers ----------------------------------------------------


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.rows: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in ("img", "script", "link", "iframe"):
            self.sources.append(found.get("src") or found.get("href") or "")
        if tag == "tr":
            self.rows.append((found.get("class") or "", []))

    def handle_data(self, text: str) -> None:
        if self.rows and text.strip():
            self.rows[-1][1].append(text.strip())


def test_report_needs_no_other_file_and_marks_what_is_published(predictions: Path) -> None:
    samples = read(IHARMONY4, "test")
    methods = score.evaluate(samples, [predictions / "half", predictions / "composite"])
    text = report.page(samples, methods, "paper", "fixture <test>")
    made = Page()
    made.feed(text)
    pictures = [s for s in made.sources if s]
    assert pictures
    assert all(source.startswith("data:image/jpeg;base64,") for source in pictures)
    assert "<test>" not in text
    kinds = {kind: [cells for k, cells in made.rows if k == kind] for kind, _ in made.rows}
    assert any(c[:3] == ["PHNet", "published", "35.84"] for c in kinds["published"])
    mean = f"{methods[0].scores[:, 0].mean():.2f}"
    assert any(c[0] == "half" and mean in c for c in kinds["measured"])
    for note in paper_tables.notes(paper_tables.load()):
        assert note.replace("'", "&#x27;") in text


def test_examples_are_the_worst_the_median_and_the_failures() -> None:
    n = 30
    error = np.arange(n, dtype=float)
    scores = np.stack([error] * 6, 1)
    common = {"ids": [str(i) for i in range(n)], "subsets": ["FFHQH"] * n}
    shares, lumas = np.linspace(1, 0, n), np.roll(np.linspace(0, 200, n), 10)
    found = report_examples.chosen(scored(scores=scores, shares=shares, lumas=lumas, **common))
    assert list(found.values()) == [[29, 28], [14, 15], [0, 1], [29, 28], [12, 11]]


def test_published_tables_are_whole() -> None:
    paper = paper_tables.load()
    tables = [paper[f"table{i}"]["methods"] for i in (3, 4, 5)]
    assert [len(t) for t in tables] == [13, 13, 13]
    assert len({row["name"] for table in tables for row in table}) == 15
    assert sum(paper["table5"]["sizes"].values()) == sum(paper["iharmony4"]["sizes"].values())
    # every method's subsets, weighted, give its ALL; only RainNet has no MSE, and PHNet's differ
    sizes = paper["iharmony4"]["sizes"]
    off = {}
    for row in paper["table4"]["methods"]:
        mean = paper_tables.weighted(sizes, {name: row[name]["psnr"] for name in sizes})
        off[row["name"]] = abs(mean - row["ALL"]["psnr"])
    assert max(off, key=lambda name: off[name]) == "PHNet"


def test_pctnets_averages_are_quoted_with_their_source() -> None:
    quoted = paper_tables.load()["pctnet"]
    assert "quoted, not regenerated" in quoted["source"]
    assert sum(quoted["bands"].values()) == quoted["images"] == 7404
    figures = {row["name"]: (row["psnr"], row["mse"], row["fmse"]) for row in quoted["methods"]}
    assert figures["composite"] == (31.39, 177.99, 1462.45)
    assert figures["PCT-Net ViT"] == (39.29, 18.84, 237.49)
    assert len(figures) == 5


def test_what_does_not_add_up_is_arithmetic() -> None:
    paper = paper_tables.load()
    notes = " ".join(paper_tables.notes(paper))
    bands = (6.16 * 3830 + 16.31 * 1955 + 39.72 * 1619) / 7404
    assert bands == pytest.approx(16.18, abs=0.005)
    psnr = (38.70 * 4283 + 39.98 * 2160 + 37.58 * 828 + 40.02 * 133) / 7404
    mse = (14.22 * 4283 + 10.62 * 2160 + 34.66 * 828 + 12.70 * 133) / 7404
    assert psnr == pytest.approx(38.97, abs=0.005)
    assert mse == pytest.approx(15.43, abs=0.005)
    for number in ("16.18", "38.97", "15.43", "35.84, 18.24", "37.41, 24.22", "24.44"):
        assert number in notes
    # mean fPSNR is at least the fPSNR of the mean fMSE: true of every row but the paper's own
    for row in paper["table3"]["methods"]:
        possible = row["fpsnr"] >= paper_tables.least_fpsnr(row["fmse"])
        assert possible == (row["name"] != "PHNet")
    by_size = {row["size"]: row for row in paper["table2"]["resolutions"]}
    best = max(paper["table1"]["setups"], key=lambda row: row["psnr"])
    assert (best["psnr"], best["mse"]) == (
        by_size[512]["iharmony4_psnr"],
        by_size[512]["iharmony4_mse"],
    )
