"""Words and metadata: kept where a format can hold them, else one sentence."""

import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from phnet.images import Picture, left_out, load, save
from phnet.images.iptc import captions_of, resource_of
from phnet.images.metadata import Words

MAKER, ORIENTATION, EXIF, COMMENT, SOFTWARE = 271, 274, 0x8769, 0x9286, 305
CAPTIONS = b"\x1c\x02\x78\x00\x05Ahoy!"  # IPTC 2:120, the caption
PATH = b"8BIM" + struct.pack(">HHI", 2000, 0, 26) + bytes(26)
THUMBNAIL = b"8BIM" + struct.pack(">HHI", 0x040C, 0, 4) + b"tiny"
KINDS = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP", ".tif": "TIFF"}


def pixels() -> np.ndarray:
    return np.full((16, 24, 3), (90, 120, 150), np.uint8)


def written(path: Path, picture: Picture) -> Picture:
    save(path, picture, picture.colors, np.ones(picture.size, np.float32))
    return load(path)


def jpeg_with(path: Path, segments: bytes, **options: object) -> Path:
    Image.fromarray(pixels()).save(path, **options)
    content = path.read_bytes()
    path.write_bytes(content[:2] + segments + content[2:])
    return path


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def test_captions_and_comment_are_kept_or_told(tmp_path: Path) -> None:
    blocks = THUMBNAIL + resource_of(CAPTIONS) + PATH
    source = jpeg_with(
        tmp_path / "a.jpg",
        segment(0xED, b"Photoshop 3.0\0" + blocks) + segment(0xFE, "Grüße".encode()),
    )
    picture = load(source)
    assert picture.words == Words(resource_of(CAPTIONS) + PATH, "Grüße".encode())
    told = {".webp": "the comment, the IPTC captions", ".tif": "the comment"}
    for suffix, kind in KINDS.items():
        back = written(tmp_path / f"out{suffix}", picture)
        notes = left_out("", kind, picture)
        lost = told.get(suffix)
        assert notes == (
            [f"{'WebP' if kind == 'WEBP' else kind} has no place for {lost}: left out"]
            if lost
            else []
        )
        if suffix != ".webp":
            assert captions_of(back.words.resources or b"") == CAPTIONS
        if suffix == ".jpg":
            assert back.words == picture.words
        if suffix == ".png":
            with Image.open(tmp_path / "out.png") as image:
                assert image.info["Comment"] == "Grüße"
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.info["photoshop"][0x0404] == CAPTIONS
        assert image.info["comment"] == "Grüße".encode()


def test_captions_of_a_tiff_alone_reach_a_jpeg(tmp_path: Path) -> None:
    tags = [(33723, 7, len(CAPTIONS), CAPTIONS, True)]
    tifffile.imwrite(tmp_path / "a.tif", pixels(), photometric="rgb", extratags=tags)
    back = written(tmp_path / "out.jpg", load(tmp_path / "a.tif"))
    assert captions_of(back.words.resources or b"") == CAPTIONS


def test_paths_of_a_turned_picture_are_left_out(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    blocks = resource_of(CAPTIONS) + PATH
    source = jpeg_with(tmp_path / "a.jpg", segment(0xED, b"Photoshop 3.0\0" + blocks), exif=exif)
    assert load(source).words.resources == resource_of(CAPTIONS)


def test_the_text_of_a_png_is_kept_or_told(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a portrait, steps: 20")
    info.add_itxt("workflow", '{"nodes": "ü"}', zip=True)
    info.add(b"tIME", struct.pack(">HBBBBB", 2024, 5, 6, 7, 8, 9))
    info.add_text("Raw profile type exif", "\nexif\n 4\n00000000\n")
    Image.fromarray(pixels()).save(tmp_path / "a.png", pnginfo=info)
    picture = load(tmp_path / "a.png")
    back = written(tmp_path / "out.png", picture)
    assert back.words == picture.words
    assert len(picture.words.texts) == 3
    with Image.open(tmp_path / "out.png") as image:
        image.load()
        assert image.info["parameters"] == "a portrait, steps: 20"
        assert image.info["workflow"] == '{"nodes": "ü"}'
    for kind in ("JPEG", "WEBP", "TIFF"):
        (note,) = left_out("out", kind, picture)
        assert "has no place for the text of a PNG (parameters, workflow): left out" in note


def test_text_behind_the_pixels_and_broken_chunks(tmp_path: Path) -> None:
    Image.fromarray(pixels()).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    from phnet.images.png_chunks import chunk

    good, broken = chunk(b"tEXt", b"a\0b"), chunk(b"tEXt", b"c\0d")[:-1] + b"?"
    (tmp_path / "a.png").write_bytes(content[:-12] + good + broken + content[-12:])
    assert load(tmp_path / "a.png").words.texts == ((b"tEXt", b"a\0b"),)


# -- EXIF and XMP -------------------------------------------------------------------------


def test_what_does_not_fit_into_a_jpeg_is_left_out_and_the_rest_stays(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[MAKER] = "Maker"
    exif.get_ifd(EXIF)[0x927C] = bytes(70_000)
    adobe = imagecodecs.cms_profile("adobergb")
    picture = Picture(
        pixels(), icc=adobe, exif=exif.tobytes(), xmp=b"<x>" + bytes(70_000), dpi=(300, 300)
    )
    back = written(tmp_path / "out.jpg", picture)
    assert back.icc == adobe
    assert back.dpi == (300, 300)
    kept = Image.Exif()
    kept.load(back.exif or b"")
    assert kept[MAKER] == "Maker"
    assert left_out("o.jpg", "JPEG", picture) == [
        "o.jpg: JPEG has no place for what is largest of 68 KiB of EXIF, 68 KiB of XMP: left out"
    ]
    for suffix in (".png", ".webp", ".tif"):
        assert left_out("", KINDS[suffix], picture) == []
        assert len(written(tmp_path / f"out{suffix}", picture).xmp or b"") == 70_003


@pytest.mark.parametrize("size", [65_400, 65_532, 65_534])
def test_what_is_not_told_of_is_there(tmp_path: Path, size: int) -> None:
    """EXIF of any size is kept whole, or a note says that it is not."""
    exif = Image.Exif()
    exif[MAKER] = "Maker"
    exif.get_ifd(EXIF)[0x927C] = bytes(1000)
    exif.get_ifd(EXIF)[0x927C] = bytes(1000 + size - len(exif.tobytes()))
    content = exif.tobytes()
    assert len(content) == size
    picture = Picture(pixels(), exif=content)
    kept = written(tmp_path / "out.jpg", picture).exif
    if size > 65_533:
        assert "EXIF" in left_out("", "JPEG", picture)[0]
    else:
        assert left_out("", "JPEG", picture) == []
        assert kept is not None
        assert len(kept) > 65_000


def unwritable_exif(orientation: int) -> bytes:
    """EXIF in which the software is a rational of the wrong kind: Pillow reads it only."""
    texts = b"Maker\0"
    entries = [
        struct.pack(">HHI4s", MAKER, 2, 6, struct.pack(">I", 8 + 2 + 36 + 4)),
        struct.pack(">HHIHH", ORIENTATION, 3, 1, orientation, 0),
        struct.pack(">HHIHH", SOFTWARE, 3, 1, 7, 0),
    ]
    table = struct.pack(">H", 3) + b"".join(entries) + struct.pack(">I", 0)
    return b"Exif\0\0MM\0*" + struct.pack(">I", 8) + table + texts


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_tag_that_cannot_be_written_costs_itself_alone(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(pixels()).save(path, exif=unwritable_exif(6))
    picture = load(path)
    whole = Image.Exif.tobytes

    def refuses(exif: Image.Exif, offset: int = 8) -> bytes:
        if SOFTWARE in exif:
            raise struct.error("argument out of range")
        return whole(exif, offset)

    monkeypatch.setattr(Image.Exif, "tobytes", refuses)
    broken = load(path)
    assert broken.size == picture.size == (24, 16)
    kept = Image.Exif()
    kept.load(broken.exif or b"")
    assert dict(kept) == {MAKER: "Maker", ORIENTATION: 1}
    assert broken.notes == ("a tag of its EXIF cannot be written and was left out",)


def test_an_orientation_of_the_wrong_type_counts(tmp_path: Path) -> None:
    """As a byte, as OpenCV reads it, too."""
    entry = struct.pack(">HHIBBBB", ORIENTATION, 1, 1, 6, 0, 0, 0)
    table = struct.pack(">H", 1) + entry + struct.pack(">I", 0)
    Image.fromarray(pixels()).save(
        tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*" + struct.pack(">I", 8) + table
    )
    picture = load(tmp_path / "a.jpg")
    assert picture.size == (24, 16)
    assert picture.orientation == 6


def test_a_lossless_jpeg_becomes_a_jpeg(tmp_path: Path) -> None:
    content = imagecodecs.jpeg8_encode(pixels(), lossless=True)
    (tmp_path / "a.jpg").write_bytes(bytes(content))
    picture = load(tmp_path / "a.jpg")
    np.testing.assert_array_equal(picture.pixels, pixels())
    assert written(tmp_path / "out.jpg", picture).size == (16, 24)


def test_extended_xmp_stays_in_a_jpeg_and_is_told_elsewhere(tmp_path: Path) -> None:
    extended = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + bytes(8) + b"x" * 3000
    source = jpeg_with(tmp_path / "a.jpg", segment(0xE1, extended))
    picture = load(source)
    assert picture.words.extended_xmp == (extended,)
    assert written(tmp_path / "out.jpg", picture).words.extended_xmp == (extended,)
    assert left_out("", "JPEG", picture) == []
    for kind in ("PNG", "WEBP", "TIFF"):
        (note,) = left_out("", kind, picture)
        assert "3 KiB of a JPEG's extended XMP" in note
    assert written(tmp_path / "out.png", picture).words.extended_xmp == ()


def test_pictures_besides_the_main_one_are_told(tmp_path: Path) -> None:
    image = Image.fromarray(pixels())
    image.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[image.rotate(180)])
    assert load(tmp_path / "a.jpg").notes == ("holds 2 pictures: the main one was taken",)
    tifffile.imwrite(tmp_path / "a.tif", pixels(), extratags=[(37724, 7, 40, bytes(40), True)])
    assert "layers were left out" in load(tmp_path / "a.tif").notes[0]
