"""JPEG XL and JPEG 2000: depth, alpha, colors, orientation and metadata, read from both."""

import io
import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

import phnet
from phnet.errors import BadImage
from phnet.images import Picture, Source, load, read_mask
from phnet.images.jpegxl_header import Bits
from phnet.images.newer_jpegs import EXIF_ID, XMP_ID, boxes

RAMP = np.linspace(0, 255, 64).astype(np.uint8)
COLORS = np.stack([np.tile(RAMP, (48, 1)), np.tile(RAMP[::-1], (48, 1)), np.full((48, 64), 90)], -1)
COLORS = COLORS.astype(np.uint8)
ALPHA = np.ascontiguousarray(COLORS[..., 0])
DEEP = COLORS.astype(np.uint16) * 257


def jxl(pixels: np.ndarray, **more: Any) -> bytes:
    more = {"lossless": True, **more}
    return bytes(imagecodecs.jpegxl_encode(np.ascontiguousarray(pixels), **more))


def jp2(pixels: np.ndarray, **more: Any) -> bytes:
    more = {"level": 0, "reversible": True, "codecformat": "jp2", **more}
    return bytes(imagecodecs.jpeg2k_encode(np.ascontiguousarray(pixels), **more))


def j2k(pixels: np.ndarray, **more: Any) -> bytes:
    return jp2(pixels, codecformat="j2k", **more)


def read(content: bytes) -> Picture:
    return load(Source("a picture", content))


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


@pytest.mark.parametrize("write", [jxl, jp2, j2k])
def test_values_come_bit_for_bit(write: Any) -> None:
    for pixels in (COLORS, DEEP, ALPHA, DEEP[..., 0], np.dstack([COLORS, ALPHA])):
        picture = read(write(pixels))
        alpha = pixels.ndim == 3 and pixels.shape[2] == 4
        np.testing.assert_array_equal(picture.pixels, pixels[..., :3] if alpha else pixels)
        assert (picture.alpha is not None) == alpha
    np.testing.assert_array_equal(read(write(np.dstack([COLORS, ALPHA]))).alpha, ALPHA)
    gray = read(write(COLORS[..., :2]))
    np.testing.assert_array_equal(gray.pixels, COLORS[..., 0])
    np.testing.assert_array_equal(gray.alpha, COLORS[..., 1])


@pytest.mark.parametrize("write", [jxl, jp2])
def test_ten_bits_are_kept_in_sixteen(write: Any) -> None:
    picture = read(write(DEEP >> 6, bitspersample=10))
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_allclose(picture.pixels, DEEP, atol=64)
    assert picture.pixels.max() == 65535
    assert "10 bits" in " ".join(picture.notes)


def test_both_can_be_masks() -> None:
    mask = (ALPHA > 100).astype(np.uint8)
    for content in (jxl(mask), jp2(mask), j2k(mask)):
        np.testing.assert_array_equal(read_mask(content).alpha, mask)


def test_a_file_is_harmonized_with_its_background_kept(tmp_path: Path) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[10:40, 20:40] = 255
    (tmp_path / "a.jxl").write_bytes(jxl(COLORS))
    result = np.asarray(phnet.harmonize(tmp_path / "a.jxl", mask))
    np.testing.assert_array_equal(result[mask == 0], COLORS[mask == 0])
    assert (result[mask > 0] != COLORS[mask > 0]).any()


def test_a_jpeg_that_was_packed_is_that_jpeg_again() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a caption"
    profile = imagecodecs.cms_profile("adobergb")
    target = io.BytesIO()
    Image.fromarray(COLORS).save(target, "JPEG", exif=exif, icc_profile=profile)
    packed = read(bytes(imagecodecs.jpegxl_encode_jpeg(target.getvalue())))
    plain = read(target.getvalue())
    np.testing.assert_array_equal(packed.pixels, plain.pixels)
    assert packed.size == (64, 48)
    assert (packed.icc, packed.exif, packed.jpeg) == (plain.icc, plain.exif, plain.jpeg)


# -- the header of a JPEG XL --


def header(*fields: tuple[int, int]) -> bytes:
    """A codestream's start of 8x8 pixels, of (value, bits) behind the size."""
    number = at = 0
    for value, count in ((1, 1), (0, 5), (1, 3), *fields):
        number |= value << at
        at += count
    return b"\xff\x0a" + number.to_bytes(at // 8 + 9, "little")


def made(*fields: tuple[int, int]) -> Any:
    from phnet.images.newer_jpegs import NewerJpeg

    return NewerJpeg(header(*fields), "a picture", BadImage)


NOTHING_MORE, EIGHT_BITS, USUAL_ALPHA = (0, 1), (0, 1 + 2 + 1), (1, 2 + 1)
PLAIN = ((0, 1), NOTHING_MORE, EIGHT_BITS, (0, 2), (0, 1))  # no extra channels, no XYB


def test_orientation_is_that_of_the_codestream() -> None:
    turned = made((0, 1), (1, 1), (5, 3), (0, 3), EIGHT_BITS, (0, 2), (0, 1), (1, 1))
    assert turned.orientation == turned.getexif()[0x0112] == 6
    assert made((1, 1)).orientation == 1
    with pytest.raises(BadImage, match="animation"):
        made((0, 1), (1, 1), (0, 3), (0, 2), (1, 1))


def test_colors_that_are_named_are_followed() -> None:
    # Not as usual, no profile, RGB, D65, primaries of P3 (11 = 2 + 9), sRGB's curve (13 = 2 + 11).
    p3 = made(*PLAIN, (0, 1), (0, 1), (0, 2), (1, 2), (2, 2), (9, 4), (0, 1), (2, 2), (11, 4))
    assert p3.declared.icc
    from phnet.images.declared_colors import by_codes

    assert p3.declared == by_codes(12, 13)
    gamma = made(*PLAIN, (0, 1), (0, 1), (0, 2), (1, 2), (1, 2), (1, 1), (4545455, 24))
    assert gamma.declared.icc
    pq = made(*PLAIN, (0, 1), (0, 1), (0, 2), (1, 2), (2, 2), (7, 4), (0, 1), (2, 2), (14, 4))
    assert pq.declared == by_codes(9, 16)
    assert "HDR" in (pq.declared.note or "")
    profile = made(*PLAIN, (0, 1), (1, 1), (0, 2))
    assert "profile is inside a JPEG XL" in profile.notes[0]
    assert profile.declared.icc is None


def test_deep_files_of_the_library_are_linear() -> None:
    picture = read(jxl(DEEP))
    assert picture.icc
    assert picture.made_icc
    light = (DEEP[0, :, 0] / 65535).astype(np.float64)
    expected = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(picture.rgb[0, :, 0], expected, atol=0.01)


def test_sizes_as_the_standard_writes_them() -> None:
    for height, width in ((8, 8), (256, 64), (48, 64), (51, 17), (1, 1), (600, 700)):
        picture = read(jxl(np.zeros((height, width), np.uint8)))
        assert picture.size == (height, width)
    assert Bits(b"\x05").one_of(7, (2, 10)) == 11


# -- boxes --


def test_exif_and_xmp_of_a_jpeg_xl() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 8, "a caption"
    content = jxl(COLORS, usecontainer=True)
    content += box(b"Exif", bytes(4) + exif.tobytes().removeprefix(b"Exif\0\0"))
    content += box(b"xml ", b"<x:xmpmeta/>")
    picture = read(content)
    assert picture.size == (48, 64)  # EXIF's orientation does not count
    assert b"a caption" in (picture.exif or b"")
    assert picture.xmp == b"<x:xmpmeta/>"
    packed = box(b"brob", b"xml " + bytes(imagecodecs.brotli_encode(b"<x:xmpmeta/>")))
    assert read(jxl(COLORS, usecontainer=True) + packed).xmp == b"<x:xmpmeta/>"


def with_boxes(content: bytes, header: bytes, more: bytes = b"") -> bytes:
    """A JP2 with boxes of its own in its header and before its codestream."""
    parts = []
    for name, body in boxes(content):
        if name == b"jp2h":
            body = b"".join(box(*part) for part in boxes(body) if part[0] != b"colr") + header
        parts.append((more if name == b"jp2c" else b"") + box(name, body))
    return b"".join(parts)


def test_profile_alpha_and_metadata_of_a_jpeg_2000() -> None:
    profile = bytes(imagecodecs.cms_profile("adobergb"))
    uuid = box(b"uuid", XMP_ID + b"<x:xmpmeta/>")
    exif = Image.Exif()
    exif[0x010E] = "a caption"
    uuid += box(b"uuid", EXIF_ID + exif.tobytes().removeprefix(b"Exif\0\0"))
    picture = read(with_boxes(jp2(COLORS), box(b"colr", b"\2\0\0" + profile), uuid))
    assert picture.icc == profile
    assert picture.xmp == b"<x:xmpmeta/>"
    assert b"a caption" in (picture.exif or b"")
    np.testing.assert_array_equal(picture.pixels, COLORS)
    multiplied = box(b"cdef", struct.pack(">H12H", 4, 0, 0, 1, 1, 0, 2, 2, 0, 3, 3, 2, 0))
    space = box(b"colr", b"\1\0\0" + struct.pack(">I", 16))
    half = np.dstack([COLORS // 2, np.full((48, 64), 128, np.uint8)])
    straight = read(with_boxes(jp2(half), space + multiplied))
    np.testing.assert_allclose(straight.pixels, COLORS, atol=2)


@pytest.mark.parametrize("write", [jxl, jp2, j2k])
def test_what_is_cut_short_or_cannot_be_kept_is_refused(write: Any) -> None:
    content = write(COLORS)
    for end in (3, 12, 30, len(content) // 2):
        with pytest.raises(BadImage, match="a picture: expected"):
            read(content[:end])
    with pytest.raises(BadImage, match="megapixels"):
        load(Source("a picture", content, most_pixels=100))


def test_signed_and_floating_samples_are_refused() -> None:
    with pytest.raises(BadImage, match="unsigned"):
        read(jp2(COLORS.astype(np.int16)))
    with pytest.raises(BadImage, match="floating"):
        read(jxl(COLORS / np.float32(255)))
