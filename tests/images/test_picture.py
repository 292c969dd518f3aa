"""Pictures in and out: what a file holds comes back, and what cannot be used is said plainly."""

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from phnet.errors import BadImage, BadOutput
from phnet.images import (
    Picture,
    Source,
    load,
    merged,
    save,
)
from phnet.images.picture import from_pil

ADOBE = imagecodecs.cms_profile("adobergb")
SRGB = imagecodecs.cms_profile("srgb")
GRAY = imagecodecs.cms_profile("gray", gamma=2.2)
MAKER, COPYRIGHT, ORIENTATION, EXIF, GPS, EXPOSURE = 271, 33432, 274, 0x8769, 0x8825, 33434


def random_pixels(shape: tuple[int, ...], dtype: type, seed: int = 0) -> np.ndarray:
    high = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, high, shape, dtype, endpoint=True)


def gentle_pixels(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Colors well inside any gamut."""
    high = np.iinfo(dtype).max
    return (random_pixels(shape, dtype) * 0.2 + high * 0.4).astype(dtype)


def some_mask() -> np.ndarray:
    mask = np.zeros((40, 60), np.float32)
    mask[10:30, 15:45] = 0.5
    mask[15:25, 20:40] = 1
    return mask


def exif_bytes(orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[MAKER], exif[COPYRIGHT], exif[ORIENTATION] = "Maker", "Somebody", orientation
    exif.get_ifd(EXIF)[EXPOSURE] = 0.01
    exif.get_ifd(GPS)[1] = "N"
    return exif.tobytes()


def write(path: Path, pixels: np.ndarray, **options: object) -> Path:
    """A file made by another writer than the code under test where there is one."""
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels, photometric="rgb", **options)
    elif pixels.dtype == np.uint16:
        path.write_bytes(bytes(imagecodecs.png_encode(pixels)))
    else:
        Image.fromarray(pixels).save(path, **options)
    return path


# -- round trips --------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("profile", ["none", "srgb", "adobe"])
@pytest.mark.parametrize("has_alpha", [False, True])
def test_lossless_files_keep_the_background_bit_for_bit_and_change_the_rest_as_asked(
    tmp_path: Path, suffix: str, dtype: type, profile: str, has_alpha: bool
) -> None:
    own, mask = gentle_pixels((40, 60, 3), dtype), some_mask()
    alpha = random_pixels((40, 60), dtype, seed=1) if has_alpha else None
    icc = {"none": None, "srgb": SRGB, "adobe": ADOBE}[profile]
    picture = Picture(own, alpha, icc=icc, exif=exif_bytes(), dpi=(300, 300))
    wanted = np.clip(picture.rgb * 0.5 + 0.2, 0, 1)
    path = tmp_path / f"out{suffix}"
    save(path, picture, wanted, mask)

    back = load(path)
    assert back.pixels.dtype == dtype
    np.testing.assert_array_equal(back.pixels[mask == 0], own[mask == 0])
    inside = mask > 0
    tolerance = 0.51 / np.iinfo(dtype).max + (0.6 / 255 if profile == "adobe" else 0)
    assert np.abs(back.rgb - wanted)[inside].max() <= tolerance
    assert np.abs(back.rgb - picture.rgb)[inside].max() > 0.03
    assert back.icc == icc
    if has_alpha:
        np.testing.assert_array_equal(back.alpha, alpha)
    else:
        assert back.alpha is None
    assert_metadata(back)
    assert back.dpi == pytest.approx((300, 300), abs=0.1)


def assert_metadata(picture: Picture) -> None:
    exif = Image.Exif()
    exif.load(picture.exif or b"")
    assert (exif[MAKER], exif[COPYRIGHT]) == ("Maker", "Somebody")
    assert float(exif.get_ifd(EXIF)[EXPOSURE]) == pytest.approx(0.01)
    assert exif.get_ifd(GPS)[1] == "N"


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_other_readers_agree_about_what_is_written(tmp_path: Path, suffix: str) -> None:
    own = random_pixels((40, 60, 3), np.uint8)
    picture = Picture(own, icc=ADOBE, exif=exif_bytes(), xmp=b"<x:xmpmeta/>")
    path = tmp_path / f"out{suffix}"
    save(path, picture, picture.rgb, some_mask())
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), own)
        assert image.info["icc_profile"] == ADOBE
        assert image.getexif()[MAKER] == "Maker"
        assert float(image.getexif().get_ifd(EXIF)[EXPOSURE]) == pytest.approx(0.01)
    assert load(path).xmp == b"<x:xmpmeta/>"


def test_16_bit_rgb_is_really_16_bits(tmp_path: Path) -> None:
    ramp = np.zeros((4, 4096, 3), np.uint16)
    ramp[..., 0] = np.arange(4096) * 16 + 3
    for suffix in (".png", ".tif"):
        path = tmp_path / f"ramp{suffix}"
        picture = Picture(ramp)
        save(path, picture, picture.colors, np.ones((4, 4096), np.float32))
        raw = (
            imagecodecs.png_decode(path.read_bytes()) if suffix == ".png" else tifffile.imread(path)
        )
        np.testing.assert_array_equal(raw, ramp)


def test_webp_is_lossless_unless_it_was_lossy(tmp_path: Path) -> None:
    own, mask = random_pixels((40, 60, 4), np.uint8), some_mask()
    own[:, :, 3] |= 1
    lossless = write(tmp_path / "lossless.webp", own, lossless=True, exact=True)
    lossy = write(tmp_path / "lossy.webp", own[..., :3].copy(), quality=80)
    picture = load(lossless)
    assert (picture.lossless, load(lossy).lossless) == (True, False)
    save(tmp_path / "out.webp", picture, picture.rgb * 0.5, mask)
    back = load(tmp_path / "out.webp")
    np.testing.assert_array_equal(back.pixels[mask == 0], own[..., :3][mask == 0])
    np.testing.assert_array_equal(back.alpha, own[..., 3])
    save(tmp_path / "out2.webp", load(lossy), load(lossy).rgb, mask)
    assert not load(tmp_path / "out2.webp").lossless


@pytest.mark.parametrize("quality", [60, 90])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_jpeg_keeps_quality_subsampling_and_metadata(
    tmp_path: Path, quality: int, subsampling: int
) -> None:
    source = tmp_path / "in.jpg"
    pixels = np.kron(random_pixels((5, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    Image.fromarray(pixels).save(
        source, quality=quality, subsampling=subsampling, exif=exif_bytes(), icc_profile=ADOBE
    )
    picture = load(source)
    mask = np.zeros(picture.size, np.float32)
    mask[:8, :8] = 1
    save(tmp_path / "out.jpg", picture, picture.rgb, mask)
    back = load(tmp_path / "out.jpg")
    assert back.jpeg == picture.jpeg
    assert back.jpeg is not None
    assert back.jpeg["subsampling"] == subsampling
    assert back.icc == ADOBE
    assert_metadata(back)
    assert np.abs(back.rgb - picture.rgb).mean() < 0.03


def test_a_jpeg_saved_as_png_keeps_the_decoded_background(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jpg", random_pixels((40, 60, 3), np.uint8))
    picture, mask = load(source), some_mask()
    save(tmp_path / "out.png", picture, picture.rgb * 0, mask)
    decoded = np.asarray(Image.open(source))
    np.testing.assert_array_equal(load(tmp_path / "out.png").pixels[mask == 0], decoded[mask == 0])
    assert load(tmp_path / "out.png").pixels[mask == 1].max() == 0


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
@pytest.mark.parametrize("icc", [None, GRAY])
def test_gray_stays_gray(tmp_path: Path, suffix: str, icc: bytes | None) -> None:
    own = gentle_pixels((40, 60), np.uint8)
    picture, mask = Picture(own, icc=icc), some_mask()
    wanted = np.repeat(picture.rgb[..., :1] * 0.5, 3, 2)
    save(tmp_path / f"out{suffix}", picture, wanted, mask)
    back = load(tmp_path / f"out{suffix}")
    assert back.pixels.shape == (40, 60)
    assert back.icc == icc
    if suffix != ".jpg":
        np.testing.assert_array_equal(back.pixels[mask == 0], own[mask == 0])
        assert np.abs(back.rgb - wanted)[mask > 0].max() < 1.2 / 255


def test_16_bit_gray_with_alpha_can_be_written_everywhere_but_to_jpeg(tmp_path: Path) -> None:
    own, alpha = gentle_pixels((40, 60), np.uint16), random_pixels((40, 60), np.uint16)
    picture = Picture(own, alpha)
    for suffix in (".png", ".tif", ".webp"):
        save(tmp_path / f"out{suffix}", picture, picture.rgb, some_mask())
        back = load(tmp_path / f"out{suffix}")
        assert back.alpha is not None
        assert np.abs(back.alpha / np.iinfo(back.alpha.dtype).max - alpha / 65535).max() < 0.002
    with pytest.raises(BadOutput, match="alpha"):
        save(tmp_path / "out.jpg", picture, picture.rgb, some_mask())
    assert not (tmp_path / "out.jpg").exists()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 99), deep=st.booleans(), adobe=st.booleans())
def test_what_did_not_change_comes_back_bit_for_bit_even_through_a_profile(
    seed: int, deep: bool, adobe: bool
) -> None:
    own = random_pixels((8, 9, 3), np.uint16 if deep else np.uint8, seed)
    picture = Picture(own, icc=ADOBE if adobe else None)
    everywhere = np.ones((8, 9), np.float32)
    np.testing.assert_array_equal(merged(picture, picture.colors, everywhere), own)
    np.testing.assert_array_equal(merged(picture, picture.rgb, everywhere), own)


# -- reading ------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_exif_orientation_is_applied_once(tmp_path: Path, orientation: int, suffix: str) -> None:
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :16], pixels[:8, 16:], pixels[8:, :16] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    path = tmp_path / f"turned{suffix}"
    options = {"quality": 95, "subsampling": 0} if suffix == ".jpg" else {}
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = Image.fromarray(pixels)
    if suffix == ".tif":
        tifffile.imwrite(
            path, pixels, photometric="rgb", extratags=[(ORIENTATION, "H", 1, orientation, True)]
        )
    else:
        image.save(path, exif=exif.tobytes(), **options)
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    expected = np.asarray(image if orientation == 1 else image.transpose(turns[orientation]))
    picture = load(path)
    assert picture.pixels.shape == expected.shape
    assert np.abs(picture.pixels[4::8, 4::8].astype(int) - expected[4::8, 4::8]).max() < 60
    out = tmp_path / f"again{suffix}"
    save(out, picture, picture.rgb, np.ones(picture.size, np.float32))
    assert np.abs(load(out).rgb - picture.rgb).mean() < 0.02


def test_a_profile_is_converted_for_the_network_and_srgb_is_left_alone() -> None:
    own = np.full((2, 2, 3), (0, 200, 0), np.uint8)
    assert Picture(own, icc=ADOBE).rgb[0, 0, 1] > 201 / 255  # greener in Adobe RGB than in sRGB
    assert Picture(own, icc=SRGB).colors is own
    gray = np.full((2, 2, 3), 119, np.uint8)  # gamma 2.2 and the sRGB curve all but agree on gray
    assert np.abs(Picture(gray, icc=ADOBE).rgb - 119 / 255).max() < 0.005


@pytest.mark.parametrize("icc", [None, SRGB, ADOBE])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_keeps_its_scale_beside_converted_colors(icc: bytes | None, dtype: type) -> None:
    alpha = random_pixels((40, 60), dtype, 1)
    alpha[0, 0] = np.iinfo(dtype).max
    picture = Picture(gentle_pixels((40, 60, 3), dtype), alpha, icc=icc)
    both = picture.colors_with_alpha
    assert both[0, 0, 3] == np.iinfo(both.dtype).max
    back = picture.behind(both)
    assert back.alpha is not None
    np.testing.assert_array_equal(back.alpha, alpha)


def test_a_broken_profile_counts_as_srgb(tmp_path: Path) -> None:
    broken = ADOBE[:16] + b"RGB " + b"x" * 400
    path = write(tmp_path / "in.png", random_pixels((4, 5, 3), np.uint8), icc_profile=broken)
    assert load(path).icc is None


@pytest.mark.parametrize(
    ("mode", "name", "shape", "has_alpha"),
    [
        ("P", "a.png", (6, 7, 3), False),
        ("1", "a.png", (6, 7), False),
        ("L", "a.png", (6, 7), False),
        ("LA", "a.png", (6, 7), True),
        ("RGBA", "a.png", (6, 7, 3), True),
        ("CMYK", "a.jpg", (6, 7, 3), False),
        ("CMYK", "a.tif", (6, 7, 3), False),
        ("L", "a.tif", (6, 7), False),
        ("1", "a.tif", (6, 7), False),
        ("RGBA", "a.webp", (6, 7, 3), True),
    ],
)
def test_the_kinds_of_pixels_that_are_read(
    tmp_path: Path, mode: str, name: str, shape: tuple[int, ...], has_alpha: bool
) -> None:
    pixels = gentle_pixels((6, 7, 4), np.uint8)
    image = (
        Image.fromarray(pixels).convert("RGB" if mode in ("CMYK", "P") else "RGBA").convert(mode)
    )
    image.save(tmp_path / name)
    picture = load(tmp_path / name)
    assert picture.pixels.shape == shape
    assert (picture.alpha is not None) == has_alpha
    shown = np.asarray(image.convert("RGB"), np.float32) / 255
    assert np.abs(picture.rgb - shown).mean() < 0.06


def test_tiff_storage_variants(tmp_path: Path) -> None:
    own = random_pixels((6, 7, 3), np.uint16)
    planes = np.ascontiguousarray(own.transpose(2, 0, 1))
    write(tmp_path / "planar.tif", planes, planarconfig="separate")
    write(tmp_path / "lzw.tif", own, compression="lzw", predictor=True)
    for name in ("planar.tif", "lzw.tif"):
        np.testing.assert_array_equal(load(tmp_path / name).pixels, own)
    half = np.dstack([np.full((6, 7, 3), 60, np.uint8), np.full((6, 7), 120, np.uint8)])
    write(tmp_path / "multiplied.tif", half, extrasamples=["assocalpha"])
    assert (load(tmp_path / "multiplied.tif").pixels == round(60 * 255 / 120)).all()
    tifffile.imwrite(tmp_path / "white0.tif", own[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(load(tmp_path / "white0.tif").pixels, 65535 - own[..., 0])


def test_a_phones_picture_of_several_parts_is_its_first(tmp_path: Path) -> None:
    image = Image.fromarray(gentle_pixels((40, 60, 3), np.uint8))
    image.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[image.rotate(90)])
    assert load(tmp_path / "a.jpg").size == (40, 60)


def test_heic_through_the_extra(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    pixels = np.full((64, 96, 3), (200, 100, 50), np.uint8)
    heif.from_pillow(Image.fromarray(pixels)).save(tmp_path / "a.heic", quality=95)
    picture = load(tmp_path / "a.heic")
    assert picture.format == "HEIF"
    assert np.abs(picture.rgb * 255 - pixels).max() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_big_tiff_is_turned_and_keeps_its_words(tmp_path: Path, orientation: int) -> None:
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    tags = [(274, "H", 1, orientation, True)]
    for name, big in (("big.tif", True), ("small.tif", False)):
        tifffile.imwrite(
            *(tmp_path / name, pixels),
            photometric="rgb",
            bigtiff=big,
            description="a caption",
            metadata=None,
            resolution=(300, 300),
            resolutionunit=2,
            extratags=tags,
        )
    big, small = load(tmp_path / "big.tif"), load(tmp_path / "small.tif")
    np.testing.assert_array_equal(big.pixels, small.pixels)
    assert (big.orientation, big.dpi) == (small.orientation, small.dpi) == (orientation, (300, 300))
    assert b"a caption" in (big.exif or b"")


@pytest.mark.parametrize("brand", [b"avif", b"mif1"])
def test_an_avif_is_known_by_any_of_its_brands(brand: bytes) -> None:
    pixels = np.full((16, 16, 3), 90, np.uint8)
    content = bytes(imagecodecs.avif_encode(pixels, level=100))
    picture = load(Source("a.heic", content[:8] + brand + content[12:]))
    assert picture.format == "AVIF"
    np.testing.assert_allclose(picture.pixels, pixels, atol=2)


def test_a_gimp_file_is_refused_by_name() -> None:
    with pytest.raises(BadImage, match="GIMP file"):
        load(Source("a.xcf", b"gimp xcf v011\0" + bytes(100)))


@pytest.mark.parametrize(("mode", "multiplied"), [("RGBA", "RGBa"), ("LA", "La")])
def test_a_pil_image_that_was_multiplied_keeps_its_alpha(mode: str, multiplied: str) -> None:
    pixels = np.dstack([np.full((4, 6, 3), 90, np.uint8), np.full((4, 6), 128, np.uint8)])
    image = Image.fromarray(pixels).convert(mode)
    picture = from_pil(image.convert(multiplied))
    np.testing.assert_array_equal(picture.alpha, pixels[..., 3])
    np.testing.assert_allclose(picture.pixels, pixels[..., :3], atol=1)
