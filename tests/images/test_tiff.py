"""TIFF: the right page, the right way up, with the look that it has elsewhere."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from phnet.errors import BadImage
from phnet.images import load, load_mask, save

ORIENTATION, SUB_IFDS, DNG_VERSION, INK_SET = 274, 330, 50706, 332
EXIF, TAKEN = 34665, 36867


def scene(height: int = 32, width: int = 48) -> np.ndarray:
    """RGB of four plain quarters, so that each way up is another picture."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (230, 40, 40)
    pixels[: height // 2, width // 2 :] = (40, 200, 40)
    pixels[height // 2 :, : width // 2] = (40, 40, 220)
    return pixels


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """As a viewer shows what is stored with an orientation, by Pillow's own turns."""
    turns = [None, 0, 3, 1, 5, 4, 6, 2]  # FLIP_LEFT_RIGHT, ROTATE_180, ...
    turn = turns[orientation - 1]
    image = Image.fromarray(pixels)
    return np.asarray(image if turn is None else image.transpose(Image.Transpose(turn)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["P", "CMYK", "YCbCr", "LAB", "1", "L"])
def test_orientation_is_applied_once_for_every_kind(
    tmp_path: Path, mode: str, orientation: int
) -> None:
    path = tmp_path / "turned.tif"
    image = Image.fromarray(scene())
    if mode == "LAB":
        lab = np.zeros((32, 48, 3), np.uint8)
        lab[..., 0] = np.asarray(image.convert("L"))
        stored = Image.fromarray(lab, "LAB")
        expected = np.asarray(image.convert("L"))
    else:
        stored = image.convert(mode, dither=Image.Dither.NONE)
        expected = np.asarray(stored.convert("RGB"))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored.save(path, exif=exif, compression="jpeg" if mode == "YCbCr" else None)
    shown = turned(expected, orientation)
    picture = load(path)
    assert picture.size == shown.shape[:2]
    gray = shown if shown.ndim == 2 else shown.max(-1)
    assert np.abs(picture.rgb.max(-1) * 255 - gray)[4::8, 4::8].max() < 12
    if mode in ("1", "L"):
        np.testing.assert_array_equal(load_mask(path) > 0.5, gray > 127)


@pytest.mark.parametrize("first", [True, False])
def test_reduced_pages_are_passed_over_wherever_they_stand(tmp_path: Path, first: bool) -> None:
    small, path = np.ascontiguousarray(scene()[::4, ::4]), tmp_path / "pages.tif"
    pages = [(small, 1), (scene(), 0)]
    with tifffile.TiffWriter(path) as writer:
        for pixels, kind in pages if first else pages[::-1]:
            writer.write(pixels, photometric="rgb", subfiletype=kind, description=f"of type {kind}")
    np.testing.assert_array_equal(load(path).pixels, scene())


def test_a_mask_in_a_page_of_its_own_is_left_out_and_said_to_be(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(scene(), photometric="rgb")
        writer.write(scene()[..., 0] > 99, photometric="minisblack", subfiletype=4)
    picture = load(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels, scene())
    assert picture.notes == ("the mask in a page of its own was left out",)


def test_the_picture_below_a_thumbnail_is_found(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(scene()[::4, ::4].copy(), photometric="rgb", subfiletype=1, subifds=1)
        writer.write(scene(), photometric="rgb")
    np.testing.assert_array_equal(load(tmp_path / "a.tif").pixels, scene())


@pytest.mark.parametrize("kind", ["dng", "cfa", "canon", "fuji", "canon3"])
def test_raw_files_are_refused_and_told_what_to_do(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        version = [(DNG_VERSION, 1, 4, b"\1\4\0\0", True)] if kind == "dng" else []
        writer.write(scene(), photometric="rgb", subfiletype=1, subifds=1, extratags=version)
        writer.write(scene()[..., 0].copy(), photometric="cfa" if kind == "cfa" else "minisblack")
    content = path.read_bytes()
    if kind == "canon":
        path.write_bytes(content[:8] + b"CR" + content[10:])
    if kind == "fuji":
        path.write_bytes(b"FUJIFILMCCD-RAW 0201" + content)
    if kind == "canon3":
        path.write_bytes(b"\0\0\0\x18ftypcrx " + content)
    with pytest.raises(BadImage, match=r"a.tif: expected a developed picture, .*raw converter"):
        load(path)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int16, np.uint32, np.int8])
def test_samples_without_a_white_are_refused_as_pictures_in_the_right_words(
    tmp_path: Path, dtype: type
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", scene().astype(dtype), photometric="rgb")
    with pytest.raises(
        BadImage, match=r"expected 8 or 16 bits a sample, got \d+-bit.*with 16 bits"
    ):
        load(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int16, np.int32])
def test_masks_of_any_numbers_are_read(tmp_path: Path, dtype: type) -> None:
    mask = np.zeros((8, 9), dtype)
    mask[2:5, 3:7] = 1
    tifffile.imwrite(tmp_path / "m.tif", mask)
    np.testing.assert_array_equal(load_mask(tmp_path / "m.tif"), mask.astype(np.float32))


@pytest.mark.parametrize(("bits", "full"), [(4, 255), (10, 65535), (12, 65535), (14, 65535)])
def test_other_depths_keep_their_look(tmp_path: Path, bits: int, full: int) -> None:
    most = (1 << bits) - 1
    stored = np.linspace(0, most, 64).round().astype(np.uint16).reshape(8, 8)
    digits = ["".join(f"{value:0{bits}b}" for value in row) for row in stored]
    packed = b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in digits)
    assert len(packed) * 8 == 64 * bits
    _write_bare_tiff(tmp_path / "a.tif", packed, 8, 8, bits)
    picture = load(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels, np.rint(stored / most * full))
    assert bool(picture.notes) == (bits > 8)


def _write_bare_tiff(path: Path, strip: bytes, height: int, width: int, bits: int) -> None:
    """Gray, by hand: no writer at hand packs bits."""
    entries = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, len(strip)),
    ]
    directory = len(entries).to_bytes(2, "little")
    for tag, kind, value in entries:
        directory += tag.to_bytes(2, "little") + kind.to_bytes(2, "little")
        directory += (1).to_bytes(4, "little") + value.to_bytes(4, "little")
    start = 8 + len(strip) + len(strip) % 2
    path.write_bytes(
        b"II*\0"
        + start.to_bytes(4, "little")
        + strip.ljust(start - 8, b"\0")
        + directory
        + bytes(4)
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("kinds", "has_alpha"), [([0], False), ([2], True), ([2, 0], True)])
def test_a_saved_selection_is_no_alpha(
    tmp_path: Path, dtype: type, kinds: list[int], has_alpha: bool
) -> None:
    pixels = scene().astype(dtype)
    more = [np.full((32, 48), 7 + number, dtype) for number in range(len(kinds))]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.dstack([pixels, *more]), photometric="rgb", extrasamples=kinds)
    picture = load(path)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert (picture.alpha is not None) == has_alpha
    if has_alpha:
        assert (picture.alpha == 7).all()
    assert bool(picture.notes) == (0 in kinds)


def test_a_saved_selection_is_a_mask(tmp_path: Path) -> None:
    selection = np.where(scene()[..., 0] > 99, 255, 0).astype(np.uint8)
    pixels = np.dstack([scene(), selection])
    tifffile.imwrite(tmp_path / "m.tif", pixels, photometric="rgb", extrasamples=[0])
    np.testing.assert_array_equal(load_mask(tmp_path / "m.tif"), selection / 255)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("with_alpha", [True, False])
def test_ink_keeps_its_depth_and_its_alpha(tmp_path: Path, dtype: type, with_alpha: bool) -> None:
    ink = np.dstack([255 - scene(), np.full((32, 48), 51, np.uint8)]).astype(dtype)
    full = np.iinfo(dtype).max
    ink = (ink * (full // 255)).astype(dtype)
    alpha = np.full((32, 48), 99, dtype)
    pixels = np.dstack([ink, alpha]) if with_alpha else ink
    tifffile.imwrite(
        *(tmp_path / "a.tif", pixels),
        photometric="separated",
        extrasamples=[2] if with_alpha else None,
    )
    picture = load(tmp_path / "a.tif")
    assert picture.pixels.dtype == dtype
    expected = scene().astype(np.float64) / 255 * (1 - 51 / 255)
    assert np.abs(picture.rgb - expected).max() < 1 / 255
    assert (picture.alpha is not None) == with_alpha
    assert "CMYK without a usable profile" in picture.notes[0]


def test_16_bit_lab_and_gray_with_alpha_are_read(tmp_path: Path) -> None:
    lab = np.zeros((4, 5, 3), np.uint16)
    lab[..., 0] = np.linspace(0, 65535, 5)
    tifffile.imwrite(tmp_path / "lab.tif", lab, photometric="cielab")
    picture = load(tmp_path / "lab.tif")
    lightness = np.linspace(0, 1, 5)
    luminance = np.where(lightness > 0.08, ((lightness * 100 + 16) / 116) ** 3, lightness / 9.033)
    srgb = np.where(
        luminance > 0.0031308, 1.055 * luminance ** (1 / 2.4) - 0.055, 12.92 * luminance
    )
    assert picture.pixels.dtype == np.uint16
    assert np.abs(picture.rgb - srgb[None, :, None]).max() < 0.003
    gray = np.dstack([np.full((4, 5), 40_000, np.uint16), np.full((4, 5), 9, np.uint16)])
    tifffile.imwrite(tmp_path / "la.tif", gray, photometric="minisblack", extrasamples=[2])
    picture = load(tmp_path / "la.tif")
    assert picture.pixels.shape == (4, 5)
    assert (picture.alpha == 9).all()


def test_a_chain_of_very_many_pages_is_not_walked(tmp_path: Path) -> None:
    page = scene()[:2, :2].copy()
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for _ in itertools.repeat(None, 40):
            writer.write(page, photometric="rgb")
    with pytest.raises(BadImage, match="got more than 32 pages"):
        load(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", [None, "lzw", "deflate"])
def test_a_file_without_compression_stays_so(tmp_path: Path, compression: str | None) -> None:
    path, out, mask = tmp_path / "a.tif", tmp_path / "o.tif", np.zeros((32, 48), np.float32)
    tifffile.imwrite(path, scene(), photometric="rgb", compression=compression, resolution=(90, 90))
    exif = Image.Exif()
    exif.get_ifd(EXIF)[TAKEN] = "2026:01:01 00:00:00"
    picture = replace(load(path), exif=exif.tobytes())
    save(out, picture, picture.colors, mask)
    with tifffile.TiffFile(out) as tiff:
        assert (tiff.pages[0].compression == 1) == (compression is None)
        np.testing.assert_array_equal(tiff.pages[0].asarray(), scene())
    with Image.open(out) as image:
        assert image.getexif().get_ifd(EXIF)[TAKEN] == "2026:01:01 00:00:00"
