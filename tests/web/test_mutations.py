"""Broken and odd pictures over HTTP: each gives a picture or a refusal, and no worker crashes."""

import io
import struct
import zlib
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

import imagecodecs
import tifffile

from tests.web.test_app import Client, composite, encoded, mask, running

HEIGHT, WIDTH = 37, 53  # unlike any other number in a header
Mutation = Callable[[bytes, np.random.Generator], bytes]


def originals() -> dict[str, bytes]:
    """Whole files of every kind that is read, and of some that are not."""
    rgb = np.asarray(Image.fromarray(composite(64)).resize((WIDTH, HEIGHT)))
    deep = rgb.astype(np.uint16) * 257
    image = Image.fromarray(rgb)

    def pillow(kind: str, mode: str = "RGB", **options: object) -> bytes:
        target = io.BytesIO()
        image.convert(mode).save(target, kind, **options)
        return target.getvalue()

    def tiff(values: np.ndarray, **options: object) -> bytes:
        target = io.BytesIO()
        tifffile.imwrite(target, values, **options)
        return target.getvalue()

    others = [image.rotate(90), image.rotate(180)]
    made = {f"PNG {mode}": pillow("PNG", mode) for mode in ("RGB", "RGBA", "P", "L", "LA", "1")}
    made |= {f"JPEG {mode}": pillow("JPEG", mode) for mode in ("RGB", "L", "CMYK")}
    made |= {f"TIFF {mode}": pillow("TIFF", mode) for mode in ("RGB", "CMYK", "P", "1", "F")}
    made |= {
        "PNG 16-bit": bytes(imagecodecs.png_encode(deep)),
        "PNG animated": pillow("PNG", save_all=True, append_images=others),
        "JPEG progressive": pillow("JPEG", progressive=True),
        "JPEG of several": pillow("MPO", save_all=True, append_images=others),
        "WebP": pillow("WEBP"),
        "WebP lossless": pillow("WEBP", "RGBA", lossless=True),
        "WebP animated": pillow("WEBP", save_all=True, append_images=others),
        "TIFF 16-bit": tiff(deep, photometric="rgb"),
        "TIFF deflate": tiff(rgb, photometric="rgb", compression="deflate", predictor=True),
        "TIFF tiled": tiff(rgb, photometric="rgb", tile=(16, 16)),
        "TIFF planar": tiff(np.moveaxis(rgb, 2, 0), photometric="rgb", planarconfig="separate"),
        "TIFF of pages": tiff(np.stack([rgb, rgb]), photometric="rgb"),
        "GIF": pillow("GIF", "P"),
        "GIF animated": pillow("GIF", "P", save_all=True, append_images=others),
        "BMP": pillow("BMP"),
        "ICO": pillow("ICO"),
        "PPM": pillow("PPM"),
    }
    try:
        import pillow_heif
    except ModuleNotFoundError:
        return made
    target = io.BytesIO()
    pillow_heif.from_pillow(image).save(target)
    return made | {"HEIC": target.getvalue()}


def whole(content: bytes, _: np.random.Generator) -> bytes:
    return content


def truncated(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(len(content)))]


def bits_flipped(content: bytes, rng: np.random.Generator) -> bytes:
    broken = bytearray(content)
    for place in rng.integers(0, len(broken), int(rng.integers(1, 9))):
        broken[place] ^= 1 << int(rng.integers(8))
    return bytes(broken)


def head_broken(content: bytes, rng: np.random.Generator) -> bytes:
    return bits_flipped(content[:64], rng) + content[64:]


def piece_moved(content: bytes, rng: np.random.Generator) -> bytes:
    a, b, c = sorted(int(place) for place in rng.integers(0, len(content), 3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def of_wrong_type(content: bytes, rng: np.random.Generator) -> bytes:
    starts = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\0\1\0\0WEBP", b"II*\0\x08\0\0\0"]
    start = [*starts, b"GIF89a", b"BM", b"%PDF-1.7\n", b"<svg>", b"PK\3\4"][int(rng.integers(9))]
    return start + content[len(start) :]


def of_huge_size(content: bytes, rng: np.random.Generator) -> bytes:
    """Every number in the first kilobyte that looks like a side becomes a large one, or zero."""
    large = int(rng.choice([0, 1, 9999, 60_000, 2**16 - 1]))
    head = content[:1024]
    for side in (HEIGHT, WIDTH):
        for code in (">I", "<I", ">H", "<H"):
            head = head.replace(struct.pack(code, side), struct.pack(code, large))
        less = [(number - 1).to_bytes(3, "little") for number in (side, large or 1)]
        head = head.replace(*less)  # WebP's
    if head.startswith(b"\x89PNG"):
        head = head[:29] + struct.pack(">I", zlib.crc32(head[12:29])) + head[33:]
    return head + content[1024:]


MUTATIONS: list[Mutation] = [
    *[whole, truncated, bits_flipped, head_broken, piece_moved, of_wrong_type, of_huge_size],
]


def ask(client: Client, content: bytes, way: int) -> tuple[int, dict[str, str], bytes]:
    hole = encoded(np.asarray(Image.fromarray(mask(64)).resize((WIDTH, HEIGHT))))
    good = encoded(composite(64))
    return [
        lambda: client.harmonize(composite=content, mask=hole),
        lambda: client.compose(portrait=good, background=content, mask=encoded(mask(64))),
        lambda: client.harmonize(composite=content),
        lambda: client.compose(portrait=content, background=good, mask=hole),
        lambda: client.harmonize(composite=encoded(composite(64)), mask=content),
    ][way]()


@pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_a_mutated_picture_gives_a_picture_or_a_refusal(count: int) -> None:
    files, rng = originals(), np.random.default_rng(count)
    pairs = [(kind, mutation) for kind in files for mutation in MUTATIONS]
    order = rng.permutation(len(pairs))
    statuses = Counter[tuple[str, int]]()
    with running(workers=2) as client:
        for number in range(count):
            kind, mutation = pairs[order[number % len(pairs)]]
            content = mutation(files[kind], rng)
            status, headers, body = ask(client, content, int(rng.integers(5)))
            said = f"{number}: {kind} {mutation.__name__}: {status} {body[:300]!r}"
            assert status in (200, 422), said
            if status == 200:
                assert Image.open(io.BytesIO(body)).load(), said
            else:
                assert headers["content-type"] == "application/problem+json", said
            statuses[mutation.__name__, status] += 1
        assert b"phnet_workers_killed 0.0" in client.ask("GET", "/metrics")[2]
    assert statuses["whole", 200]
    assert {name for name, status in statuses if status == 422} == {m.__name__ for m in MUTATIONS}
