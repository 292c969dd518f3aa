"""Anyone's network as a method: a small TOML says how it is fed and what it gives.

.. code-block:: toml

    name = "iDIH"                  # in tables
    file = "idih.pt"               # TorchScript (.pt, .pth, .ts) or ONNX, beside this file
    parameters = 40_900_000        # of an ONNX file, where it is to stand in tables

    [input]
    tensors = ["image", "mask"]    # in order; also "image+mask" (4 channels) and, at the
                                   # picture's own size, "image_full" and "mask_full"
    names = ["image", "mask"]      # of an ONNX file's inputs, where it has them in another order
    range = [0, 1]                 # what 0 and 255 become
    mean = [0.485, 0.456, 0.406]   # taken off afterwards
    deviation = [0.229, 0.224, 0.225]  # and divided by

    [output]
    name = "images"                # of an ONNX file, or the key of a dictionary
    index = 0                      # in a tuple
    normalized = true              # in the units of the input; else in range
    range = [0, 1]
    blend = false                  # the network does not blend (equation 1): it is done here

    [size]
    side = 256                     # of the square that it sees; 0: the picture's own size
    multiple = 1                   # of which height and width must be

``examples/adapters`` has one for each repository named in :mod:`phnet.evaluation.protocols`. Where
the network's size is not the picture's, both are resized bilinearly, by area where they shrink.
"""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from phnet.errors import BadModel, MissingExtra
from phnet.images.arrays import Floats, blend, to_float

Run = Callable[[Sequence[Floats]], Any]
LoadScript = Callable[[Path, int | None], tuple[Run, int]]

SCRIPTS = frozenset({".pt", ".pth", ".ts"})
TENSORS = ("image", "mask", "image+mask", "image_full", "mask_full")
LARGEST_FILE = 1 << 20  # bytes, of the TOML


@dataclass(frozen=True)
class Input:
    """Inputs of a network: which, their names, range and normalization."""

    tensors: list[str] = field(default_factory=lambda: ["image", "mask"])
    names: list[str] = field(default_factory=list)
    range: list[float] = field(default_factory=lambda: [0.0, 1.0])
    mean: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    deviation: list[float] = field(default_factory=lambda: [1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Output:
    """Output of a network: which, its range, and whether it is blended."""

    name: str = ""
    index: int = 0
    normalized: bool = False
    range: list[float] = field(default_factory=lambda: [0.0, 1.0])
    blend: bool = True


@dataclass(frozen=True)
class Size:
    """At what size a network works."""

    side: int = 256
    multiple: int = 1


@dataclass(frozen=True)
class Adapter:
    """A foreign network as a method."""

    name: str
    input: Input
    output: Output
    size: Size
    run: Run
    path: Path  # of the TOML, for sentences
    parameters: int | None = None

    def harmonize(self, composite: Any, mask: Any) -> Floats:
        """Harmonize.

        Args:
            composite: RGB (H, W, 3), uint8 or floats in [0, 1].
            mask: (H, W) in [0, 1].

        Returns:
            Floats (H, W, 3) in [0, 1]; outside the mask the composite's own.

        Raises:
            BadModel: the network fails, or gives no picture.
        """
        rgb = to_float(np.asarray(composite))
        alpha = np.asarray(mask, np.float32)
        height, width = self._network_size(*alpha.shape)
        small, small_alpha = (_resized(each, height, width) for each in (rgb, alpha))
        planes = {
            "image": self._normalized(small),
            "mask": small_alpha[None, None],
            "image_full": self._normalized(rgb),
            "mask_full": alpha[None, None],
        }
        planes["image+mask"] = np.concatenate([planes["image"], planes["mask"]], 1)
        tensors = [np.ascontiguousarray(planes[each], np.float32) for each in self.input.tensors]
        result = self._picture(self.run(tensors))
        result = _resized(result, *alpha.shape)
        full = np.clip(blend(result, rgb, alpha) if self.output.blend else result, 0, 1)
        return np.where(alpha[..., None] > 0, full, rgb).astype(np.float32)

    def _network_size(self, height: int, width: int) -> tuple[int, int]:
        if self.size.side:
            height = width = self.size.side
        step = self.size.multiple
        return max(height // step, 1) * step, max(width // step, 1) * step

    def _normalized(self, rgb: Floats) -> Floats:
        """(1, 3, h, w) in the network's units."""
        low, high = self.input.range
        mean, deviation = _single(self.input.mean), _single(self.input.deviation)
        values = (rgb * np.float32(high - low) + np.float32(low) - mean) / deviation
        return np.asarray(values.transpose(2, 0, 1)[None], np.float32)

    def _picture(self, result: Any) -> Floats:
        """(h, w, 3) in [0, 1], out of what the network gave."""
        wanted = self.output.name
        if isinstance(result, dict):
            if wanted not in result:
                names = ", ".join(map(str, result))[:200]
                raise BadModel(f"{self.path}: expected an output {wanted!r}, got {names}")
            result = result[wanted]
        elif isinstance(result, list | tuple):
            if self.output.index >= len(result):
                raise BadModel(
                    f"{self.path}: expected output {self.output.index}, got {len(result)} of them"
                )
            result = result[self.output.index]
        values = np.asarray(result)
        if values.ndim == 4 and len(values) == 1:
            values = values[0]
        if values.ndim != 3 or values.shape[0] != 3 or values.dtype.kind != "f":
            raise BadModel(f"{self.path}: expected a picture (1, 3, h, w), got {values.shape}")
        if not np.isfinite(values).all():
            raise BadModel(f"{self.path}: expected finite numbers as the network's result")
        picture = values.transpose(1, 2, 0).astype(np.float32)
        if self.output.normalized:
            picture = picture * _single(self.input.deviation) + _single(self.input.mean)
        low, high = self.input.range if self.output.normalized else self.output.range
        return _single(np.clip((picture - np.float32(low)) / np.float32(high - low), 0, 1))


def _single(values: npt.ArrayLike) -> Floats:
    return np.asarray(values, np.float32)


def _resized(pixels: Floats, height: int, width: int) -> Floats:
    if pixels.shape[:2] == (height, width):
        return pixels
    shrinks = height <= pixels.shape[0] and width <= pixels.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=how), np.float32)


# -- files ----------------------------------------------------------------------------------


def load_adapter(
    path: Path, threads: int | None = None, load_script: LoadScript | None = None
) -> Adapter:
    """Read an adapter and open its network.

    Args:
        path: the TOML file.
        threads: CPU threads; None for all.
        load_script: opens TorchScript (:func:`phnet.networks.torchscript.load_script`); None
            where torch is not installed.

    Raises:
        BadModel: the file or its network cannot be used.
        MissingExtra: a script, and no ``load_script``.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BadModel(f"{path}: expected an adapter of at most {LARGEST_FILE >> 20} MiB")
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadModel(f"{path}: expected an adapter in TOML, but {error}") from error
    name, file = table.pop("name", path.stem), table.pop("file", None)
    given = table.pop("parameters", None)
    if not isinstance(name, str) or not isinstance(file, str):
        raise BadModel(f"{path}: expected a file, and a name, as texts")
    parts = {
        "input": _section(path, "input", Input, table.pop("input", {})),
        "output": _section(path, "output", Output, table.pop("output", {})),
        "size": _section(path, "size", Size, table.pop("size", {})),
    }
    if table:
        expected = "name, file, parameters, [input], [output] and [size]"
        raise BadModel(f"{path}: expected {expected}, got {next(iter(table))!r}")
    _check(path, parts["input"], parts["output"], parts["size"])
    network = path.parent / file
    if network.suffix.lower() in SCRIPTS:
        if load_script is None:
            raise MissingExtra("train", f"{network}: TorchScript")
        run, counted = load_script(network, threads)
        return Adapter(name, **parts, run=run, path=path, parameters=counted)
    run = _onnx(network, parts["input"], parts["output"], threads)
    parameters = given if isinstance(given, int) and given > 0 else None
    return Adapter(name, **parts, run=run, path=path, parameters=parameters)


def _section(path: Path, title: str, kind: Any, table: Any) -> Any:
    """A section as its class; every key has the type of its default."""
    if not isinstance(table, dict):
        raise BadModel(f"{path}: expected [{title}] to be a table")
    default = kind()
    known = {each.name: getattr(default, each.name) for each in fields(kind)}
    for key, value in table.items():
        if key not in known:
            raise BadModel(f"{path}: expected {', '.join(known)} in [{title}], got {key!r}")
        if not _is_like(value, known[key], key):
            raise BadModel(
                f"{path}: expected {key} in [{title}] as in {known[key]!r}, got {value!r}"
            )
    return kind(**table)


def _is_like(value: Any, default: Any, key: str) -> bool:
    if not isinstance(default, list):
        return type(value) is type(default)
    kind = str if key in ("tensors", "names") else int | float
    return isinstance(value, list) and all(
        isinstance(each, kind) and not isinstance(each, bool) for each in value
    )


def _check(path: Path, given: Input, output: Output, size: Size) -> None:
    """Refuse what no network can be."""
    unknown = [each for each in given.tensors if each not in TENSORS]
    if unknown or not given.tensors:
        raise BadModel(f"{path}: expected tensors of {', '.join(TENSORS)}, got {given.tensors}")
    lengths = [len(v) for v in (given.range, output.range, given.mean, given.deviation)]
    if lengths != [2, 2, 3, 3]:
        raise BadModel(f"{path}: expected ranges of 2 numbers, mean and deviation of 3")
    if given.range[0] == given.range[1] or output.range[0] == output.range[1]:
        raise BadModel(f"{path}: expected ranges of two different numbers")
    if not all(given.deviation):
        raise BadModel(f"{path}: expected deviations other than 0, got {given.deviation}")
    if not (0 <= size.side <= 8192 and 1 <= size.multiple <= 256 and output.index >= 0):
        raise BadModel(f"{path}: expected a side of 0 to 8192 and a multiple of 1 to 256")


def _onnx(path: Path, given: Input, output: Output, threads: int | None) -> Run:
    """An ONNX file as a function of its tensors."""
    import onnxruntime as ort

    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # No other file is read for weights: see phnet.harmonization.harmonizer.
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(path / "outside")
    )
    try:
        session = ort.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's own exceptions have no common base
        reason = (str(error).splitlines() or ["it is empty"])[0][:200]
        raise BadModel(f"{path}: expected an ONNX network, but {reason}") from error
    names = given.names or [each.name for each in session.get_inputs()]
    outputs = [each.name for each in session.get_outputs()]
    if len(names) != len(given.tensors):
        raise BadModel(
            f"{path}: expected inputs for {', '.join(given.tensors)}, got {', '.join(names)[:200]}"
        )
    if output.name and output.name not in outputs:
        raise BadModel(
            f"{path}: expected an output {output.name!r}, got {', '.join(outputs)[:200]}"
        )

    def run(tensors: Sequence[Floats]) -> Any:
        try:
            found = session.run(outputs, dict(zip(names, tensors, strict=True)))
        except Exception as error:
            reason = (str(error).splitlines() or ["it fails"])[0][:200]
            raise BadModel(f"{path}: expected a network that runs, but {reason}") from error
        return dict(zip(outputs, found, strict=True)) if output.name else found

    return run
