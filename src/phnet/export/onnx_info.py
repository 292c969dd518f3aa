"""Metadata of our ONNX files and lists of their pieces; needs no torch."""

from pathlib import Path
from typing import Any

from phnet.errors import BadModel
from phnet.export.chunks import is_pieces, read_pieces
from phnet.files import json_of


def is_onnx(path: Path) -> bool:
    """Tell whether the path names an ONNX file or a list of pieces of one."""
    return is_pieces(path) or path.suffix.lower() == ".onnx"


def describe_onnx(path: Path) -> dict[str, Any]:
    """Describe an ONNX file or a file of pieces.

    Raises:
        BadModel: it is no network of ours.
    """
    if is_pieces(path):
        return _describe(read_pieces(path), path) | {"storage_form": "pieces"}
    from phnet.harmonization.harmonizer import Harmonizer

    Harmonizer(path, threads=1)  # says what is wrong with a file that is no network of ours
    return _describe(path.read_bytes(), path)


def _describe(content: bytes, path: Path) -> dict[str, Any]:
    import onnxruntime as ort

    try:
        session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
        card = dict(json_of(session.get_modelmeta().custom_metadata_map.get("phnet", "{}")))
    except Exception as error:  # onnxruntime's exceptions have no common base
        reason = str(error).splitlines()[0][:200]
        raise BadModel(f"{path}: expected an ONNX network, but {reason}") from error
    unknown = dict.fromkeys(("parameters", "gflop_256", "pn_layers", "pfe", "output"))
    return {"name": path.stem, "kind": "onnx", **unknown, **card, "file": str(path)}
