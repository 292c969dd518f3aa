"""``phnet.compose`` and ``phnet compose``: a person in front of another background."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut, coffee

import phnet
from phnet.compositing.composer import Composer, compose_pictures, over
from phnet.compositing.placement import Cutout, Place, choose_place, cut_sides, default_place, put
from phnet.errors import BadInput, BadMask
from phnet.images import Mask, Picture, load, load_mask
from phnet.images.arrays import to_float
from phnet.matting.foreground import blur_fusion, estimate, without_ghosts
from phnet.matting.matte import Matter
from phnet.options import ComposeOptions
from tests.conftest import disc_mask, smooth_photo

ADOBE = imagecodecs.cms_profile("adobergb")
PORTRAITS = Path(__file__).parents[1] / "portraits"
Run = Callable[..., tuple[int, str, str]]


def scene(height: int = 100, width: int = 180) -> np.ndarray:
    return smooth_photo(np.random.default_rng(3), height, width)


def strands(size: int = 160) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A dark disc with a soft, hairy edge on bright green: mixture, own colors, alpha."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:size, :size] - size / 2
    alpha = np.clip((size * 0.33 - np.hypot(x, y)) / 14 + 0.5, 0, 1)
    alpha = np.clip(alpha + (alpha > 0) * (alpha < 1) * rng.normal(0, 0.2, alpha.shape), 0, 1)
    own = np.broadcast_to([0.25, 0.15, 0.1], (size, size, 3))
    own = (own + rng.normal(0, 0.02, own.shape)).clip(0, 1).astype(np.float32)
    behind = np.broadcast_to(np.float32([0.2, 0.9, 0.3]), own.shape)
    alpha = alpha.astype(np.float32)
    return own * alpha[..., None] + behind * (1 - alpha[..., None]), own, alpha


# -- the person's own colors -------------------------------------------------------------


@pytest.mark.parametrize("how", ["blur-fusion", pytest.param("ml", marks=pytest.mark.slow)])
def test_the_old_background_leaves_the_edge(how: str) -> None:
    if how == "ml":
        pytest.importorskip("pymatting")
    photo, own, alpha = strands()
    edge = (alpha > 0.1) & (alpha < 0.9)
    before = np.abs(photo - own)[edge].mean()
    after = np.abs(estimate(photo, alpha, how) - own)[edge].mean()
    assert after < 0.2 * before


def test_inside_the_person_colors_stay() -> None:
    photo, _, alpha = strands()
    np.testing.assert_allclose(blur_fusion(photo, alpha)[alpha == 1], photo[alpha == 1], atol=1e-5)


def test_a_smaller_blur_fusion_is_nearly_the_same() -> None:
    photo, alpha = to_float(smooth_photo(np.random.default_rng(3), 120, 160)), disc_mask(120, 160)
    soft = cv2.GaussianBlur(to_float(alpha), (0, 0), 4)
    whole, small = blur_fusion(photo, soft), blur_fusion(photo, soft, shrink=2)
    seen = soft > 0.02
    assert np.abs(whole - small)[seen].mean() < 1 / 255
    assert np.abs(whole - photo)[seen].mean() > 4 / 255


def test_a_passer_by_found_by_half_goes_and_a_second_person_stays() -> None:
    alpha = np.zeros((60, 200), np.float32)
    cv2.circle(alpha, (40, 30), 20, 1.0, -1)
    cv2.circle(alpha, (100, 30), 10, 1.0, -1)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 1)
    np.testing.assert_array_equal(without_ghosts(alpha), alpha)
    with_ghost = alpha.copy()
    cv2.circle(with_ghost, (160, 30), 18, 0.4, -1)
    cv2.circle(with_ghost, (160, 20), 3, 1.0, -1)
    left = without_ghosts(with_ghost)
    assert not left[:, 135:].any()
    np.testing.assert_array_equal(left[:, :135], alpha[:, :135])
    only_faint = alpha * np.float32(0.5)
    assert without_ghosts(only_faint)[30, 40] == 0.5  # the largest part stays, however faint


def test_an_unknown_estimate_is_refused() -> None:
    photo, _, alpha = strands()
    with pytest.raises(BadInput, match="expected one of blur-fusion, ml, none, got 'best'"):
        estimate(photo, alpha, "best")


# -- placing ------------------------------------------------------------------------------


def box(height: int, width: int, rows: slice, columns: slice) -> np.ndarray:
    alpha = np.zeros((height, width), np.float32)
    alpha[rows, columns] = 1
    return alpha


def test_by_default_the_person_is_at_the_bottom_centered_as_large_as_the_height_allows() -> None:
    alpha = box(100, 80, slice(20, 100), slice(10, 40))
    place = default_place(alpha, (150, 300))
    assert place.scale == pytest.approx(1.5)
    _, mask = put(Cutout(np.ones((100, 80, 3), np.float32), alpha), (150, 300), place)
    rows, columns = np.flatnonzero(mask.max(1) > 0.5), np.flatnonzero(mask.max(0) > 0.5)
    assert (rows[0], rows[-1]) == (30, 149)
    assert abs(columns[0] + columns[-1] - 299) <= 2
    assert abs(len(columns) - 45) <= 1


def test_a_portrait_is_enlarged_at_most_twice_and_a_person_who_floats_comes_down() -> None:
    alpha = box(100, 80, slice(20, 90), slice(10, 40))
    place = default_place(alpha, (1000, 1000))
    assert place.scale == 2
    assert place.y == 1000 - 180


def test_a_person_wider_than_the_scene_is_made_to_fit() -> None:
    place = default_place(box(100, 200, slice(0, 100), slice(0, 200)), (100, 50))
    assert (place.x, place.scale) == (0, 0.25)


def test_cover_covers_and_is_centered() -> None:
    place = choose_place(None, "cover", (100, 100), (50, 200))
    assert place == Place(0, -75, 2)


@pytest.mark.parametrize(
    ("place", "fit", "sentence"),
    [
        ((0, 0, 1), "cover", "expected one of them, got both"),
        ((0, 0, 0), None, "a scale above 0"),
        ((float("nan"), 0, 1), None, "a scale above 0"),
        (None, "contain", "expected cover, got 'contain'"),
    ],
)
def test_an_impossible_place_is_refused(
    place: tuple[float, float, float] | None, fit: str | None, sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        choose_place(place, fit, (10, 10), (10, 10))


def test_a_portrait_far_larger_than_the_scene_is_refused_before_it_is_made() -> None:
    cutout = Cutout(np.ones((100, 100, 3), np.float32), np.ones((100, 100), np.float32))
    with pytest.raises(BadInput, match="would be enlarged to 1000000x1000000 pixels"):
        put(cutout, (10, 10), Place(0, 0, 1e4))


def test_no_color_from_outside_the_person_flows_in_when_it_shrinks() -> None:
    alpha = disc_mask(90, 90).astype(np.float32) / 255
    colors = np.where(alpha[..., None] > 0, np.float32([0, 0, 1]), np.float32([1, 0, 0]))
    placed, mask = put(Cutout(colors, alpha), (40, 40), Place(3, 4, 1 / 3))
    assert placed[mask > 0.01][:, 0].max() < 1e-3
    assert placed[mask > 0.01][:, 2].min() > 0.999


def test_where_the_frame_cuts_the_person_off() -> None:
    assert cut_sides(box(50, 50, slice(10, 50), slice(0, 30))) == ["left"]
    assert cut_sides(box(50, 50, slice(0, 50), slice(10, 50))) == ["right", "top"]


# -- blending -----------------------------------------------------------------------------


def test_over_a_scene_with_alpha_the_alphas_add_as_in_porter_and_duff() -> None:
    below = np.zeros((1, 3, 4), np.float32)
    below[..., :3], below[..., 3] = 0.2, [0, 0.5, 1]
    result = over(np.full((1, 3, 3), 0.8, np.float32), np.full((1, 3), 0.5, np.float32), below)
    np.testing.assert_allclose(result[0, :, 3], [0.5, 0.75, 1])
    expected = [0.8, (0.8 * 0.5 + 0.2 * 0.25) / 0.75, 0.5]
    np.testing.assert_allclose(result[0, :, 0], expected, rtol=1e-6)


# -- all of it ----------------------------------------------------------------------------


def test_compose_is_a_function_whatever_was_imported() -> None:
    import phnet.cli.compose
    import phnet.compositing.composer

    assert callable(phnet.compose)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_an_array_gives_an_array_of_its_type_and_the_background_stays(dtype: type) -> None:
    portrait = load(PORTRAITS / "test_0019.jpg").pixels
    mask = load_mask(PORTRAITS / "test_0019.png")
    kinds = {np.uint8: 1, np.uint16: 257, np.float32: np.float32(1 / 255)}
    background = (scene().astype(np.float32) * kinds[dtype]).astype(dtype)
    result = phnet.compose(portrait, background, mask=mask)
    assert result.dtype == dtype
    assert result.shape == background.shape
    _, placed = put(
        Cutout(portrait / np.float32(255), mask), (100, 180), default_place(mask, (100, 180))
    )
    assert np.array_equal(result[placed == 0], background[placed == 0])
    assert (result[placed > 0.9] != background[placed > 0.9]).any(-1).mean() > 0.9


def test_the_person_is_found_and_is_the_person_of_the_photo() -> None:
    """Without harmonization the person's pixels are the portrait's own."""
    portrait = cv2.resize(astronaut(), (200, 200), interpolation=cv2.INTER_AREA)
    background = scene(200, 300)
    result = phnet.compose(portrait, background, place=(50, 0, 1), strength=0)
    face = np.s_[60:90, 75:100]
    moved = np.s_[60:90, 125:150]
    assert np.abs(result[moved].astype(int) - portrait[face]).max() <= 3
    assert np.array_equal(result[:, :40], background[:, :40])


def test_harmonization_changes_the_person_by_strength() -> None:
    portrait, mask = load(PORTRAITS / "test_0026.jpg").pixels, PORTRAITS / "test_0026.png"
    night = (scene() // 6).astype(np.uint8)
    night[..., 2] += 60
    none, half, whole = (
        phnet.compose(portrait, night, mask=mask, strength=s).astype(int) for s in (0, 0.5, 1)
    )
    change = np.abs(whole - none).mean()
    assert change > 0.3
    assert np.abs(half - none).mean() == pytest.approx(change / 2, rel=0.1)


def test_the_lift_can_be_chosen() -> None:
    portrait, mask = load(PORTRAITS / "test_0026.jpg").pixels, PORTRAITS / "test_0026.png"
    night = (scene() // 6).astype(np.uint8)
    guided, table = (
        phnet.compose(portrait, night, mask=mask, lift=kind).astype(int)
        for kind in ("guided", "lut")
    )
    assert 0 < np.abs(guided - table).mean() < 10


def test_a_cut_out_with_alpha_needs_no_mask_and_keeps_its_colors() -> None:
    colors = np.full((40, 40, 3), (200, 40, 90), np.uint8)
    cutout = Image.fromarray(np.dstack([colors, disc_mask(40, 40)]))
    background = Image.fromarray(scene())
    result = phnet.compose(cutout, background, strength=0)
    assert isinstance(result, Image.Image)
    assert result.size == background.size
    assert result.getpixel((90, 60)) == (200, 40, 90)


def test_profiles_of_pictures_with_alpha_are_followed_on_both_sides() -> None:
    colors = np.full((40, 40, 3), (150, 90, 100), np.uint8)
    cutout = Image.fromarray(np.dstack([colors, disc_mask(40, 40)]))
    cutout.info["icc_profile"] = ADOBE
    behind = scene()
    background = Image.fromarray(np.dstack([behind, np.full(behind.shape[:2], 255, np.uint8)]))
    background.info["icc_profile"] = ADOBE
    result = phnet.compose(cutout, background, strength=0)
    assert result.info["icc_profile"] == ADOBE
    values = np.asarray(result)
    assert values[60, 90] == pytest.approx((150, 90, 100, 255), abs=1)  # the same profile again
    np.testing.assert_array_equal(values[:5, :5, :3], behind[:5, :5])
    on_srgb = np.asarray(phnet.compose(cutout, Image.fromarray(behind), strength=0))
    assert on_srgb[60, 90, 0] > 155  # Adobe RGB's red reaches further than sRGB's
    assert on_srgb[60, 90] == pytest.approx(Picture(colors, icc=ADOBE).rgb[0, 0] * 255, abs=1)


def test_a_place_outside_the_picture_is_refused() -> None:
    composer = Composer()
    cutout = composer.cut_out(scene(), disc_mask(100, 180))
    with pytest.raises(BadMask, match="place 500,0,1: expected to see the person"):
        composer.compose(cutout, scene(), Place(500, 0, 1))


# -- the command --------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Run) -> Run:
    """Run ``phnet compose`` in a folder with a portrait and a background: status, out, err."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(astronaut()).resize((128, 128)).save("portrait.png")
    Image.fromarray(scene()).save("background.png")

    return partial(command_line, "compose")


def test_the_self_ensemble_can_be_asked_for(run: Run) -> None:
    assert run("portrait.png", "background.png", "-o", "one.png")[0] == 0
    assert run("portrait.png", "background.png", "-o", "both.png", "--self-ensemble")[0] == 0
    one, both = load("one.png").pixels.astype(int), load("both.png").pixels
    assert 0 < np.abs(one - both).max() < 32


def test_the_picture_has_the_backgrounds_size_and_the_parts_explain_it(
    run: Run, tmp_path: Path
) -> None:
    status, out, err = run(
        "portrait.png", "background.png", "-o", "out.png", "--save-parts", "parts", "--threads", 1
    )
    assert status == 0, err
    assert out.startswith("out.png: 180x100, ")
    result, before = load("out.png").pixels, load("background.png").pixels
    mask = load_mask("parts/mask.png")
    composite, foreground = load("parts/composite.png").pixels, load("parts/foreground.png")
    assert result.shape == (100, 180, 3)
    assert np.array_equal(result[mask == 0], before[mask == 0])
    assert foreground.alpha is not None
    alpha = foreground.alpha[..., None] / 255
    mixed = foreground.pixels * alpha + before * (1 - alpha)
    assert np.abs(mixed - composite).max() < 2
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_a_gray_background_gets_a_person_in_color(run: Run) -> None:
    Image.fromarray(scene()).convert("L").save("background.png")
    status, _, err = run("portrait.png", "background.png", "-o", "out.png", "--threads", 1)
    assert status == 0, err
    result = load("out.png").pixels.astype(int)
    assert result.shape == (100, 180, 3)
    assert np.ptp(result, axis=-1).max() > 60
    assert np.ptp(result[0, 0]) == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["background.png", "portrait.png", "-o", "o.png"], "background.png: no person was found"),
        (["portrait.png", "portrait.png", "-o", "portrait.png"], "the output is also an input"),
        (["portrait.png", "background.png", "-o", "o.png", "--place", "1,2"], "expected x,y,scale"),
        (["portrait.png", "background.png", "-o", "o.gif"], "expected an output name ending in"),
        (["portrait.png", "none.png", "-o", "o.png"], "none.png"),
        (
            ["portrait.png", "background.png", "-o", "o.png", "--place", "900,0,1"],
            "expected to see the person, but it is outside",
        ),
        (
            ["portrait.png", "background.png", "-o", "o.png", "--save-parts", "portrait.png"],
            "expected a folder for the parts, but it is a file",
        ),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_nothing_is_written(
    run: Run, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    before = sorted(tmp_path.iterdir())
    status, out, err = run(*arguments)
    assert status == 2
    assert sentence in err
    assert err.startswith("phnet: ")
    assert err.count("\n") == 1
    assert out == ""
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_no_person_surely_is_refused() -> None:
    cup = coffee()[::3, ::3]
    assert (Matter(threads=1).segment(cup) > 0.5).mean() > 0.1  # half a cup is found
    with pytest.raises(BadInput, match="no person was found for sure"):
        phnet.compose(cup, scene())


def test_a_mask_that_leaves_out_the_person_is_told() -> None:
    photo = astronaut()[::2, ::2]
    composer = Composer()
    mask = 1 - Matter(threads=1).matte(photo)
    done = compose_pictures(
        Picture(photo), Picture(scene()), Mask(mask), ComposeOptions(), composer=composer
    )
    (note,) = done.notes
    assert "lies outside the mask" in note
