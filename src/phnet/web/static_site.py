"""The page as a folder that any static host serves: pictures stay on the visitor's machine.

The page's own files, with the engine ``local.js`` in the place of ``remote.js``; the networks as
whole graphs (:mod:`phnet.web.graphs`); ONNX Runtime for WebAssembly, which comes with this package.
"""

import io
import json
import os
import re
import tarfile
from collections.abc import Sequence
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from phnet.errors import BadInput, BadOutput
from phnet.files import json_of, write_bytes
from phnet.options import LookOptions
from phnet.web.controls import controls
from phnet.web.graphs.compose import composing_model
from phnet.web.graphs.harmonize import harmonizing_model
from phnet.web.graphs.matte import matting_model

NOT_HERE = ("remote.js",)
# Nothing but this folder is ever asked for, and the browser sees to it.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; base-uri 'none'; "
    "form-action 'none'"
)
SERVER_ENGINE = '<meta name="phnet-engine" content="remote.js">'
LOCAL_ENGINE = (
    f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
    '<meta name="phnet-engine" content="local.js">'
)
ABOUT = """\
This page is PHNet (Apache License 2.0, the text is below). It also holds:
- matte.onnx: MediaPipe's selfie segmentation, Google LLC (Apache License 2.0), converted;
- ort.wasm.bundle.min.js and ort-wasm-simd-threaded.wasm: ONNX Runtime, Microsoft Corporation
  (MIT License); its licence and its notices are the two files beside this one.

"""


def write_page(
    folder: str | os.PathLike[str], models: Sequence[str | os.PathLike[str] | None]
) -> list[Path]:
    """Write the page.

    Args:
        folder: a new or empty one, or one that this function wrote; its parent must exist.
        models: as of :class:`phnet.Harmonizer`; the first is the default.

    Returns:
        The files written.

    Raises:
        BadOutput: the folder holds something else, or cannot be written.
        BadModel: a model is none.
        BadInput: two models have the same name.
    """
    folder = Path(folder)
    check_folder(folder)
    files = page_files() | runtime_files() | model_files(models)
    try:
        folder.mkdir(exist_ok=True)
        (folder / "licences").mkdir(exist_ok=True)
    except OSError as error:
        raise BadOutput(f"{folder}: cannot be made ({error.strerror})") from error
    for name, content in files.items():
        write_bytes(folder / name, content)
    return [folder / name for name in files]


def check_folder(folder: Path) -> None:
    """Refuse a place that holds something else.

    Raises:
        BadOutput: it does.
    """
    if not folder.exists():
        if not folder.parent.is_dir():
            raise BadOutput(f"{folder}: expected an existing folder to make it in, found none")
    elif not folder.is_dir():
        raise BadOutput(f"{folder}: expected a folder, but it is a file")
    elif any(folder.iterdir()) and not (folder / "models.json").is_file():
        raise BadOutput(
            f"{folder}: expected a new or empty folder, or one that phnet page made, "
            "but it holds other files"
        )


def page_files() -> dict[str, bytes]:
    """The page itself, by name."""
    files = {}
    for entry in (resources.files("phnet.web") / "page").iterdir():
        suffix = Path(entry.name).suffix
        if suffix in (".html", ".css", ".js") and entry.name not in NOT_HERE:
            files[entry.name] = entry.read_bytes()
    start = files["index.html"].decode("utf-8")
    assert SERVER_ENGINE in start
    files["index.html"] = start.replace(SERVER_ENGINE, LOCAL_ENGINE).encode()
    return files


def runtime_files() -> dict[str, bytes]:
    """ONNX Runtime for WebAssembly and all licences, by name."""
    packed = (resources.files("phnet.web") / "onnxruntime-web.tar.xz").read_bytes()
    files = {}
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:xz") as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            is_text = member.name.startswith("onnxruntime-")
            files[f"licences/{member.name}" if is_text else member.name] = content.read()
    licence = metadata.distribution("phnet").read_text("licenses/LICENSE") or ""
    files["licences/phnet-LICENSE"] = (ABOUT + licence).encode()
    return files


def model_files(models: Sequence[str | os.PathLike[str] | None]) -> dict[str, bytes]:
    """The networks as whole graphs, their list ``models.json`` and what can be set, by name."""
    files: dict[str, bytes] = {}
    listed: list[dict[str, Any]] = []
    for model in models:
        made = harmonizing_model(model)
        card = json_of(made.metadata_props[0].value)
        name = str(card.get("name") or "model")
        file = re.sub(r"[^A-Za-z0-9_-]", "-", name) + ".onnx"
        if file in files or file in ("matte.onnx", "compose.onnx"):
            raise BadInput(f"{model}: expected a model of a name not taken, got {name}")
        files[file] = made.SerializeToString()
        listed.append(
            {
                "name": name,
                "resolution": card.get("resolution", 256),
                "default": not listed,
                "file": file,
                "light": card["light"],
            }
        )
    files["matte.onnx"] = matting_model().SerializeToString()
    files["compose.onnx"] = composing_model().SerializeToString()
    shown = controls(harmonize=LookOptions, compose=LookOptions)  # what the graphs take
    files["options.json"] = json.dumps(shown, indent=1).encode()
    files["models.json"] = json.dumps(listed, indent=1).encode()
    return files
