"""Colors that files declare: followed by the network, and kept or converted in what is written."""

import dataclasses
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from phnet.images import Picture, load, save
from phnet.images.color_profiles import describes
from phnet.images.declared_colors import by_codes, by_png
from phnet.images.png_chunks import chunk, color_chunks

PQ_P3 = bytes([12, 16, 0, 1])
CHRM = struct.pack(
    ">8I", *(round(1e5 * one) for one in (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06))
)


def gray_ramp() -> np.ndarray:
    return np.repeat(np.arange(0, 256, 5, dtype=np.uint8)[None, :, None], 3, 2).repeat(8, 0)


def png_with(path: Path, pixels: np.ndarray, *chunks: tuple[bytes, bytes]) -> Path:
    Image.fromarray(pixels).save(path)
    content = path.read_bytes()
    extra = b"".join(chunk(*one) for one in chunks)
    path.write_bytes(content[:33] + extra + content[33:])
    return path


def half_mask(picture: Picture) -> np.ndarray:
    mask = np.zeros(picture.size, np.float32)
    mask[: picture.size[0] // 2] = 1
    return mask


@pytest.mark.parametrize("gray", [True, False])
def test_gama_is_followed_and_kept(tmp_path: Path, gray: bool) -> None:
    pixels = gray_ramp()[..., 0] if gray else gray_ramp()
    path = png_with(tmp_path / "a.png", pixels, (b"gAMA", struct.pack(">I", 100_000)))
    picture = load(path)
    light = gray_ramp() / 255  # gamma 1: the values are light
    srgb = np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light)
    assert np.abs(picture.rgb - srgb).max() < 0.003
    for suffix in (".png", ".tif", ".jpg"):
        out = tmp_path / f"out{suffix}"
        save(out, picture, picture.rgb * 0.9, half_mask(picture))
        back = load(out)
        if suffix != ".jpg":
            np.testing.assert_array_equal(back.pixels[4:], pixels[4:])
        below = slice(None), slice(None) if suffix != ".jpg" else slice(8, None)
        assert np.abs(back.rgb[4:] - picture.rgb[4:])[below].max() < (
            0.1 if suffix == ".jpg" else 1e-3
        )
    with (tmp_path / "out.png").open("rb") as handle:
        assert color_chunks(handle) == ((b"gAMA", struct.pack(">I", 100_000)),)


def test_chrm_is_followed_and_the_usual_gamma_is_srgb(tmp_path: Path) -> None:
    pixels = np.full((4, 4, 3), (220, 40, 40), np.uint8)
    usual = (b"gAMA", struct.pack(">I", 45_455))
    wide = load(png_with(tmp_path / "a.png", pixels, usual, (b"cHRM", CHRM)))
    assert wide.rgb[0, 0, 0] > 232 / 255  # redder in Display P3 than in sRGB
    plain = load(png_with(tmp_path / "a.png", pixels, usual))
    assert plain.colors is plain.pixels
    assert plain.declared == (usual,)


def test_beside_other_primaries_the_usual_gamma_is_the_exponent_that_it_says(
    tmp_path: Path,
) -> None:
    dark = np.full((4, 4, 3), 40, np.uint8)
    usual = (b"gAMA", struct.pack(">I", 45_455))
    picture = load(png_with(tmp_path / "a.png", dark, usual, (b"cHRM", CHRM)))
    light = (40 / 255) ** 2.2
    expected = 1.055 * light ** (1 / 2.4) - 0.055  # 38.2 of 255, and 40 by sRGB's own curve
    np.testing.assert_allclose(picture.rgb[0, 0], expected, atol=2e-3)


def test_what_cannot_be_followed_is_told(tmp_path: Path) -> None:
    narrow = load(png_with(tmp_path / "a.png", gray_ramp(), (b"cICP", bytes([1, 13, 0, 0]))))
    assert narrow.notes == ("declares the narrow range of video, which was not followed",)
    packed = load(png_with(tmp_path / "a.png", gray_ramp(), (b"iCCP", b"x\0\0no profile")))
    assert packed.notes == ("its color profile cannot be unpacked and was left out",)
    assert packed.declared == ()


def test_cicp_is_kept_in_png_and_pq_is_said(tmp_path: Path) -> None:
    picture = load(png_with(tmp_path / "a.png", gray_ramp(), (b"cICP", PQ_P3)))
    assert "HDR picture (PQ)" in picture.notes[0]
    assert (np.diff(picture.rgb[0, :, 1]) >= 0).all()
    assert 0.55 < picture.rgb[0, round(0.58 * 51), 1] < 0.85  # diffuse white of 203 cd/m2
    save(tmp_path / "out.png", picture, picture.rgb * 0.9, half_mask(picture))
    with (tmp_path / "out.png").open("rb") as handle:
        assert color_chunks(handle) == ((b"cICP", PQ_P3),)
    back = load(tmp_path / "out.png")
    np.testing.assert_array_equal(back.pixels[4:], picture.pixels[4:])
    assert np.abs(back.rgb - picture.rgb * 0.9)[:4].max() < 0.03


def test_chunks_that_mean_nothing_are_told_or_passed_over() -> None:
    assert (
        by_png(((b"gAMA", struct.pack(">I", 0)),), 3).note
        == "declares a gamma of 0 that was not followed"
    )
    assert by_png(((b"gAMA", b"x"), (b"cHRM", b"y"), (b"cICP", b"z")), 3).icc is None
    assert by_png(((b"cHRM", bytes(32)),), 3).icc is None
    assert "not followed (primaries 99" in str(by_codes(99, 13).note)
    assert by_codes(1, 13).icc is None
    assert by_codes(2, 2).icc is None


@pytest.mark.parametrize("transfer", [4, 5, 8, 13, 16, 18])
def test_profiles_that_are_made_are_always_the_same_and_go_both_ways(transfer: int) -> None:
    icc = by_codes(12, transfer).icc
    assert icc is not None
    assert describes(icc, 3)
    assert icc[24:36] == struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    own = np.random.default_rng(0).integers(20, 200, (9, 8, 3), np.uint8)
    picture = Picture(own, icc=icc)
    assert np.abs(picture.rgb[..., 0] - own[..., 0] / 255).max() > 0.01


def test_nclx_of_heic_is_followed(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    image = heif.from_pillow(Image.new("RGB", (64, 64), (220, 40, 40)))
    image.save(tmp_path / "a.heic", quality=-1, color_primaries=12, transfer_characteristics=13)
    picture = load(tmp_path / "a.heic")
    assert picture.rgb[0, 0, 0] > 232 / 255
    save(tmp_path / "out.jpg", picture, picture.rgb, half_mask(picture))
    assert load(tmp_path / "out.jpg").icc == picture.icc is not None


def test_heic_of_10_bits_keeps_them(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    ramp = np.repeat(np.linspace(0, 65535, 256).astype(np.uint16)[None, :, None], 3, 2).repeat(
        64, 0
    )
    deep = heif.from_bytes("RGB;16", (256, 64), ramp.tobytes())
    deep.save(tmp_path / "a.heic", quality=-1, chroma=444)
    picture = load(tmp_path / "a.heic")
    assert picture.pixels.dtype == np.uint16
    assert picture.pixels.max() == 65535
    assert np.abs(picture.pixels[0].astype(int) - ramp[0]).max() < 400


def test_avif_is_read_with_its_depth_and_its_way_up(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    image = Image.new("RGB", (64, 32), (220, 40, 40))
    image.save(tmp_path / "a.avif", quality=95, exif=exif)
    picture = load(tmp_path / "a.avif")
    assert picture.size == (64, 32)
    assert np.abs(picture.rgb[4, 4] * 255 - (220, 40, 40)).max() < 4
    ramp = np.linspace(0, 1023, 64).astype(np.uint16)[None, :, None].repeat(3, 2).repeat(32, 0)
    deep = imagecodecs.avif_encode(ramp, level=100, bitspersample=10)
    wide = bytes(deep).replace(b"colrnclx\0\2\0\2", b"colrnclx\0\x0c\0\x0d")
    (tmp_path / "deep.avif").write_bytes(wide)
    picture = load(tmp_path / "deep.avif")
    assert picture.pixels.dtype == np.uint16
    assert np.abs(picture.pixels / 65535 - ramp / 1023).max() < 0.01
    assert picture.icc is not None


# -- profiles -----------------------------------------------------------------------------


def scanner_profile() -> bytes:
    """A profile of one table from device to Lab, and none back: red and green change places."""
    side = 5
    steps = np.linspace(0, 65535, side).round().astype(np.uint16)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1)
    from phnet.images.declared_colors import BT709, D65

    plain = imagecodecs.cms_profile("rgb", primaries=list(BT709), whitepoint=list(D65), gamma=1.8)
    lab = imagecodecs.cms_transform(
        np.ascontiguousarray(grid[..., [1, 0, 2]].reshape(side * side, side, 3)),
        plain,
        imagecodecs.cms_profile("lab4"),
        colorspace="rgb",
        outcolorspace="lab",
        intent=1,
    )
    old = (np.asarray(lab, np.float64) / 65535 * 65280).round().astype(">u2")  # Lab of version 2
    identity = np.array([0, 65535], ">u2").tobytes()
    table = b"mft2" + bytes(4) + bytes([3, 3, side, 0])
    table += b"".join(struct.pack(">i", 65536 if at % 4 == 0 else 0) for at in range(9))
    table += struct.pack(">HH", 2, 2) + identity * 3 + old.tobytes() + identity * 3
    text = b"desc" + bytes(4) + struct.pack(">I", 2) + b"s\0" + bytes(78)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags, body, start = b"", b"", 128 + 4 + 12 * 3
    for name, content in ((b"desc", text), (b"wtpt", white), (b"A2B0", table)):
        content += bytes(-len(content) % 4)
        tags += name + struct.pack(">II", start + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", 0, b"", 0x02400000, b"scnr", b"RGB ", b"Lab ")
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += struct.pack(">3i", 63190, 65536, 54061)
    whole = head.ljust(128, b"\0") + struct.pack(">I", 3) + tags + body
    return struct.pack(">I", len(whole)) + whole[4:]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_profile_that_can_only_be_read_is_followed_and_kept(tmp_path: Path, dtype: type) -> None:
    full = np.iinfo(dtype).max
    shares = np.random.default_rng(3).uniform(0.2, 0.8, (12, 12, 3))
    own, icc = np.rint(shares * full).astype(dtype), scanner_profile()
    picture = Picture(own, icc=icc)
    assert describes(icc, 3)
    redder = np.zeros((2, 2, 3), dtype)
    redder[..., 1] = full  # its green is our red
    assert Picture(redder, icc=icc).rgb[0, 0].argmax() == 0
    mask = half_mask(picture)
    wanted = np.clip(picture.rgb * 0.9 + 0.03, 0, 1)
    save(tmp_path / "out.png", picture, wanted, mask)
    back = load(tmp_path / "out.png")
    assert back.icc == icc
    np.testing.assert_array_equal(back.pixels[6:], own[6:])
    assert np.abs(back.rgb - wanted)[:6].max() < 2 / 255
    save(tmp_path / "same.png", picture, picture.colors, np.ones(picture.size, np.float32))
    np.testing.assert_array_equal(load(tmp_path / "same.png").pixels, own)


def test_a_profile_of_other_colors_is_left_out_and_told(tmp_path: Path) -> None:
    icc = dataclasses.replace(
        Picture(gray_ramp()), icc=imagecodecs.cms_profile("gray", gamma=1.0)
    ).icc
    Image.fromarray(gray_ramp()).save(tmp_path / "a.png", icc_profile=icc)
    picture = load(tmp_path / "a.png")
    assert picture.icc is None
    assert picture.notes == (
        "its color profile is for GRAY, not RGB and was left out: its colors were taken as sRGB",
    )
