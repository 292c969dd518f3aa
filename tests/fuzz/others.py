"""Hostile files that are no photos in PNG, JPEG, TIFF or WebP: containers, texts, models, videos.

The same seed makes the same file, with the same versions of what encodes the originals.
"""

import base64
import io
import json
import random
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, features

from tests.fuzz import trees
from tests.fuzz.pictures import ANY
from tests.fuzz.trees import Part, Write, changed, written

ODD = (None, True, -1, 0, 1, 2**31, 2**64, 10**400, 1e308, -0.5, "", "\0", "\ud800", "x" * 400)
WORDS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    '"\\ud800"',
    '"\\u0000"',
    "[" * 5000,
    '{"a":' * 999,
)
LONG = "\u4eba" * 200
SIDE = 32  # of pictures that networks and videos have


def container(rng: random.Random) -> tuple[str, bytes]:
    """A picture in boxes or sections: AVIF, JPEG 2000, PSD, WebP."""
    kinds = [kind for kind in ORIGINALS if kind not in NEEDS or features.check(NEEDS[kind])]
    suffix = rng.choice(kinds)
    content = ORIGINALS[suffix](rng.randrange(4))
    return suffix, _twisted(rng, suffix, content)


def video(rng: random.Random) -> tuple[str, bytes]:
    """A video of three frames."""
    suffix = rng.choice((".mp4", ".mov", ".mkv", ".webm", ".avi"))
    return suffix, _twisted(rng, suffix, _video(suffix, rng.choice(("", "sound"))))


def model(rng: random.Random) -> tuple[str, bytes]:
    """A network in ONNX, of few nodes."""
    content = _models()[rng.randrange(len(_models()))]
    return ".onnx", _twisted(rng, ".onnx", content)


def text(rng: random.Random) -> tuple[str, bytes]:
    """A manifest, a look, a list of pieces or a network's card."""
    suffix = rng.choice((".jsonl", ".look", ".pieces.json", ".card"))
    lines = [_odd(rng, one) for one in TEXTS[suffix]]
    made = "\n".join(json.dumps(one) for one in lines)
    if rng.random() < 0.3:
        values = [place for place, sign in enumerate(made) if sign in ":,["]
        place = rng.choice(values) + 1 if values else 0
        made = made[:place] + rng.choice(WORDS) + made[place:]
    content = made.encode("utf-8", "surrogatepass")
    return suffix, rng.choice(ANY)(rng, content) if rng.random() < 0.3 else content


MAKERS: dict[str, Callable[[random.Random], tuple[str, bytes]]] = {
    "containers": container,
    "texts": text,
    "models": model,
    "videos": video,
}

# -- changes -------------------------------------------------------------------------------

TREES: dict[str, tuple[Callable[[bytes], list[Part] | None], Write]] = {
    ".avif": (trees.boxes, trees.box),
    ".jp2": (trees.boxes, trees.box),
    ".mp4": (trees.boxes, trees.box),
    ".mov": (trees.boxes, trees.box),
    ".mkv": (trees.elements, trees.element),
    ".webm": (trees.elements, trees.element),
    ".webp": (trees.chunks, trees.chunk),
    ".avi": (trees.chunks, trees.chunk),
    ".onnx": (trees.fields, trees.one_field),
}


def _twisted(rng: random.Random, suffix: str, content: bytes) -> bytes:
    """Some changes of the tree, or of the bytes."""
    read, write = TREES.get(suffix, (None, None))
    parts = read(content) if read and rng.random() < 0.8 else None
    if not parts or write is None:
        change = rng.choice((*ANY, _section)) if suffix == ".psd" else rng.choice(ANY)
        return change(rng, content)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        parts = changed(rng, parts)
    made = written(parts, write)
    if read is trees.chunks:
        made = content[:4] + (len(made) + 4).to_bytes(4, "little") + content[8:12] + made
    return made


def _section(rng: random.Random, content: bytes) -> bytes:
    """A number of a PSD's header, or the length of one of its sections, is another."""
    place, size = rng.choice(
        ((12, 2), (14, 4), (18, 4), (22, 2), (24, 2), (26, 4), (30, 4), (34, 4))
    )
    number = rng.choice(trees.NUMBERS) & (256**size - 1)
    return content[:place] + number.to_bytes(size, "big") + content[place + size :]


def _odd(rng: random.Random, value: object, depth: int = 4) -> object:
    """A value with something odd in its place, or in it."""
    if rng.random() < 0.15:
        return rng.choice((*ODD, [], {}, [[]], LONG))
    if depth and isinstance(value, dict):
        made = {name: _odd(rng, part, depth - 1) for name, part in value.items()}
        if made and rng.random() < 0.1:
            del made[rng.choice(list(made))]
        return made
    if depth and isinstance(value, list):
        made_list = [_odd(rng, part, depth - 1) for part in value]
        return made_list * rng.choice((1, 1, 1, 0, 2, 200))
    return value


# -- originals -----------------------------------------------------------------------------


def _packed(*shape: int) -> dict[str, object]:
    content = zlib.compress(np.zeros(shape, "<f2").tobytes())
    return {"shape": list(shape), "float16": base64.b64encode(content).decode()}


TEXTS: dict[str, list[object]] = {
    ".jsonl": [
        {"composite": "a.png", "mask": "b.png", "output": "c.png"},
        {"composite": "d/e.png", "output": "d/f.png"},
        {"composite": "g.png"},
    ],
    ".look": [{"phnet_look": 1, "mask": _packed(32, 32), "field": _packed(12, 2, 2)}],
    ".pieces.json": [
        {
            "name": "a",
            "bytes": 3,
            "sha256": "00",
            "parts": [{"file": "a", "bytes": 3, "sha256": "0"}],
        }
    ],
    ".card": [{"name": "a", "resolution": 256, "multiple": 8, "light": 0.5, "about": {"x": [1]}}],
}


@cache
def _values(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 4), np.uint8)


@cache
def _saved(kind: str, seed: int) -> bytes:
    target = io.BytesIO()
    mode = ("RGB", "RGBA", "RGB", "L")[seed]
    Image.fromarray(_values(seed)).convert(mode).save(target, kind, exif=_exif(kind))
    return target.getvalue()


def _exif(kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes() if kind in ("AVIF", "WEBP") else b""


@cache
def _psd(seed: int) -> bytes:
    """Written by hand: a flat picture of three channels, without layers."""
    values = _values(seed)[..., :3]
    head = b"8BPS\0\1" + bytes(6) + b"\0\3" + SIDE.to_bytes(4, "big") * 2 + b"\0\x08\0\3"
    return head + bytes(12) + b"\0\0" + values.transpose(2, 0, 1).tobytes()


ORIGINALS: dict[str, Callable[[int], bytes]] = {
    ".avif": lambda seed: _saved("AVIF", seed),
    ".jp2": lambda seed: _saved("JPEG2000", seed),
    ".webp": lambda seed: _saved("WEBP", seed),
    ".psd": _psd,
}
NEEDS = {".avif": "avif", ".jp2": "jpg_2000", ".webp": "webp"}


@cache
def _video(suffix: str, sound: str) -> bytes:
    import av

    form = {".mkv": "matroska"}.get(suffix, suffix[1:])
    target = io.BytesIO()
    with av.open(target, "w", format=form) as container:
        stream = container.add_stream("libvpx-vp9" if form == "webm" else "mpeg4", rate=25)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        heard = (
            container.add_stream("libopus" if form == "webm" else "aac", 48000) if sound else None
        )
        for seed in range(3):
            frame = av.VideoFrame.from_ndarray(_values(seed)[..., :3].copy(), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if heard is not None:
            kind = np.float32 if "flt" in heard.format.name else np.int16
            quiet = np.zeros((heard.layout.nb_channels, 4800), kind)
            if not heard.format.is_planar:
                quiet = quiet.reshape(1, -1)
            wave = av.AudioFrame.from_ndarray(quiet, heard.format.name, heard.layout.name)
            wave.sample_rate = 48000
            container.mux(heard.encode(wave))
            container.mux(heard.encode(None))
    return target.getvalue()


@cache
def _models() -> list[bytes]:
    """Networks that change nothing, or a little, with a card."""
    from onnx import TensorProto, helper

    weights = helper.make_tensor("w", TensorProto.FLOAT, [3, 3, 1, 1], np.eye(3).ravel().tolist())
    shape = helper.make_tensor("s", TensorProto.INT64, [4], [1, 3, SIDE, SIDE])
    one = helper.make_tensor("p", TensorProto.INT64, [8], [0, 0, 1, 1, 0, 0, 1, 1])
    graphs = [
        [helper.make_node("Conv", ["image", "w"], ["harmonized"])],
        [
            helper.make_node("Pad", ["image", "p"], ["padded"]),
            helper.make_node("AveragePool", ["padded"], ["harmonized"], kernel_shape=[3, 3]),
        ],
        [
            helper.make_node("Reshape", ["image", "s"], ["same"]),
            helper.make_node("Resize", ["same", "", "", "s"], ["large"], mode="linear"),
            helper.make_node("Clip", ["large"], ["harmonized"]),
        ],
    ]
    made = []
    for nodes in graphs:
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, channels, "h", "w"))
            for name, channels in (("image", 3), ("mask", 1))
        ]
        outputs = [helper.make_tensor_value_info("harmonized", TensorProto.FLOAT, None)]
        used = {name for node in nodes for name in node.input}
        held = [tensor for tensor in (weights, shape, one) if tensor.name in used]
        graph = helper.make_graph(nodes, "g", inputs, outputs, held)
        whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        helper.set_model_props(whole, {"phnet": json.dumps({"resolution": SIDE})})
        made.append(whole.SerializeToString())
    return made
