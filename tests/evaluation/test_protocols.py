"""Each protocol against a count of its own, written from that repository's evaluation code."""

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

from phnet.datasets.readers import Sample
from phnet.errors import BadData, BadInput
from phnet.evaluation import protocols, score
from phnet.evaluation.baselines import METHODS
from phnet.evaluation.protocols import PROTOCOLS
from tests.conftest import smooth_photo

IMAGES = 24
SIZE = 64  # in place of 256, so that the test is quick


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Photos with soft masks and dark corners; predictions with 16 bits beside them."""
    root = tmp_path_factory.mktemp("protocols")
    rng = np.random.default_rng(3)
    made = []
    for i in range(IMAGES):
        height, width = 70 + i, 96 - i
        real = np.clip(smooth_photo(rng, height, width) * 0.8 + rng.normal(0, 9, 3), 0, 240)
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        mask = np.clip(1.6 - 2 * np.hypot(x - 0.3, y), 0, 1) if i % 2 else np.hypot(x, y) < 0.6
        alpha = np.rint(255 * mask).astype(np.uint8)
        paths = [root / f"{i}_{part}.png" for part in ("comp", "mask", "real")]
        composite = np.where(alpha[..., None] > 0, real * 0.7, real).astype(np.uint8)
        for path, pixels in zip(paths, (composite, alpha, real.astype(np.uint8)), strict=True):
            Image.fromarray(pixels).save(path)
        subset = "FFHQH" if i % 3 == 0 else "HCOCO"
        made.append(Sample(str(i), subset, *paths))
        for name, (w, h) in (("own", (width, height)), ("small", (SIZE, SIZE))):
            picture = cv2.resize(real, (w, h)) * 0.9 + rng.normal(4, 6, (h, w, 3)) + 5
            deep = np.clip(picture * 257, 0, 65535).astype(np.uint16)
            cv2.imwrite(str(root / f"{i}_{name}.png"), deep[..., ::-1])
    return made


def prediction(sample: Sample, name: str) -> np.ndarray:
    """Floats in [0, 255], as a network gives them."""
    path = sample.real_path.with_name(f"{sample.id}_{name}.png")
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1] / 257


def dovenet(sample: Sample) -> tuple[float, ...]:
    """``evaluation.py``: bytes, bicubic; convert('1'); the prediction's range; mse(M x, M y)."""
    real = Image.open(sample.real_path).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    mask = Image.open(sample.mask_path).convert("1").resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    x, y = np.rint(prediction(sample, "small")), np.array(real, np.float64)
    m = np.array(mask, np.uint8).astype(float)[..., None]
    mse = np.mean((x - y) ** 2)
    psnr = 10 * math.log10((x.max() - x.min()) ** 2 / mse)
    return mse, psnr, np.mean((x * m - y * m) ** 2) * SIZE * SIZE / m.sum()


def idih(sample: Sample) -> tuple[float, ...]:
    """``iharm/inference/metrics.py``: floats, cv2.resize of bytes and of the soft mask."""
    y = cv2.resize(cv2.imread(str(sample.real_path))[..., ::-1], (SIZE, SIZE)).astype(float)
    soft = cv2.imread(str(sample.mask_path))[:, :, 0].astype(np.float32) / 255.0
    m = cv2.resize(soft, (SIZE, SIZE)).astype(float)[..., None]
    x = prediction(sample, "small")
    mse = ((x - y) ** 2).mean()
    fmse = (m * (x - y) ** 2).sum() / (3 * m.sum() + 1e-6)
    return mse, 10 * math.log10(y.max() ** 2 / (mse + 1e-6)), fmse


def pctnet(sample: Sample) -> tuple[float, ...]:
    """``iharm/inference/metrics.py``: as stored, MSE under the mask alone, peak 255."""
    y = cv2.imread(str(sample.real_path))[..., ::-1].astype(float)
    m = (cv2.imread(str(sample.mask_path))[:, :, 0].astype(np.float32) / 255.0)[..., None]
    m = m.astype(float)
    x = prediction(sample, "own")
    mse = (m * (x - y) ** 2).mean()
    fmse = (m * (x - y) ** 2).sum() / (3 * m.sum() + 1e-6)
    return mse, 10 * math.log10(255**2 / (mse + 1e-6)), fmse


def harmonizer(sample: Sample) -> tuple[float, ...]:
    """``src/val_harmonizer.py``: as stored, convert('1'), range of the prediction, SSIM of floats.

    scikit-image took the range of floats for 2 where none was said.
    """
    y = np.array(Image.open(sample.real_path).convert("RGB"), np.float64)
    m = np.array(Image.open(sample.mask_path).convert("1"), np.float64)[..., None]
    x = prediction(sample, "own")
    mse = np.mean((x - y) ** 2)
    fmse = np.mean((x * m - y * m) ** 2) * m.size / int(m.sum())
    psnr = 10 * math.log10((x.max() - x.min()) ** 2 / mse)
    ssim = structural_similarity(x, y, channel_axis=2, data_range=2)
    return mse, psnr, fmse, ssim


def released(sample: Sample) -> tuple[float, ...]:
    """``tools/metrics.py`` and ``tools/dataset.py``: floats, the target's largest value."""
    real = Image.open(sample.real_path).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    mask = Image.open(sample.mask_path)
    if sample.subset == "FFHQH":
        mask = mask.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        m = np.where(np.array(mask) / np.float32(255) <= 0.5, 0, 1)[..., None]
    else:
        m = np.array(mask.convert("1").resize((SIZE, SIZE)), int)[..., None]
    x, y = prediction(sample, "small"), np.array(real, np.float64)
    mse = ((x - y) ** 2).mean()
    fmse = (m * (x - y) ** 2).sum() / (3 * m.sum() + 1e-6)
    peak = y.max() ** 2
    psnr, fpsnr = (10 * math.log10(peak / (error + 1e-6)) for error in (mse, fmse))
    return mse, psnr, fmse, fpsnr


def paper(sample: Sample) -> tuple[float, ...]:
    """Appendix A: masks binarized at 0.5, equation 16; bytes, peak 255."""
    y = np.array(Image.open(sample.real_path), np.float64)
    m = (np.array(Image.open(sample.mask_path)) >= 128).astype(float)[..., None]
    x = np.rint(prediction(sample, "own"))
    mse = np.mean((x - y) ** 2)
    fmse = (m * (x - y) ** 2).sum() / (3 * m.sum())
    return mse, 10 * math.log10(255**2 / mse), fmse, 10 * math.log10(255**2 / fmse)


COUNTS = {
    "paper": paper,
    "dovenet": dovenet,
    "idih": idih,
    "pctnet": pctnet,
    "harmonizer": harmonizer,
    "released": released,
}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_agrees_with_its_repositorys_formula(samples: list[Sample], name: str) -> None:
    sized = PROTOCOLS[name].size is not None
    rule = protocols.find(name, SIZE if sized else None)
    for sample in samples:
        expected = COUNTS[name](sample)
        real = rule.real(sample)
        path = sample.real_path.with_name(f"{sample.id}_{'small' if sized else 'own'}.png")
        scores = rule.scores(rule.prediction(path, real), real, rule.foreground(sample))
        order = (scores.mse, scores.psnr, scores.fmse)
        more = {"harmonizer": (scores.ssim,), "released": (scores.fpsnr,), "paper": (scores.fpsnr,)}
        assert [*order, *more.get(name, ())] == pytest.approx(expected, rel=1e-4)


def test_protocols_differ_where_the_issue_is(samples: list[Sample]) -> None:
    """Peak, soft masks and interpolation each move the same prediction's figures."""
    found = {}
    for name in ("dovenet", "idih", "released"):
        rule = protocols.find(name, SIZE)
        real = rule.real(samples[1])
        path = samples[1].real_path.with_name("1_small.png")
        found[name] = rule.scores(rule.prediction(path, real), real, rule.foreground(samples[1]))
    assert abs(found["dovenet"].psnr - found["idih"].psnr) > 0.05
    assert abs(found["dovenet"].fmse - found["idih"].fmse) > 0.1
    assert found["idih"].mse != pytest.approx(found["released"].mse, rel=1e-4)


def test_a_method_is_handed_what_the_protocol_compares(
    samples: list[Sample], tmp_path: Path
) -> None:
    """Untouched composites by their own protocol: no error outside the mask but rounding."""
    sized = [replace(sample, size=SIZE) for sample in samples[:2]]
    score.predict(sized, METHODS["composite"], tmp_path, protocol="dovenet")
    composite = Image.open(sized[0].composite_path).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    assert np.array_equal(np.array(Image.open(tmp_path / "0.png")), np.array(composite))
    scores = score.evaluate(sized, [tmp_path], protocol="dovenet")[0].scores
    other = score.evaluate(sized, [tmp_path], protocol="idih")[0].scores
    assert abs(scores[0, 0] - other[0, 0]) > 0.1


def test_the_json_says_what_was_done() -> None:
    about = protocols.find("released", 512).about()
    assert (about["name"], about["size"], about["depth"]) == ("released", 512, "float")
    assert (about["mask"], about["peak"], about["interpolation"]) == (
        "one-bit",
        "target",
        "pillow-bilinear",
    )
    assert about["mask_by_subset"] == {"FFHQH": "binary"}
    with pytest.raises(BadInput, match="expected one of paper, dovenet"):
        protocols.find("magic")


def test_a_prediction_of_another_size_is_resized_or_refused(samples: list[Sample]) -> None:
    sample = samples[0]
    own = sample.real_path.with_name("0_own.png")
    sized, stored = protocols.find("dovenet", SIZE), protocols.find("pctnet")
    assert sized.prediction(own, sized.real(sample)).shape == (SIZE, SIZE, 3)
    small = sample.real_path.with_name("0_small.png")
    with pytest.raises(BadData, match="96x70, got 64x64"):
        stored.prediction(small, stored.real(sample))
