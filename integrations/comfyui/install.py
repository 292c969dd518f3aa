#!/usr/bin/env python3
"""Install phnet beside what ComfyUI has: only what is missing, and no other version of anything.

    python install.py [WHEEL OR FOLDER OF PHNET]

ComfyUI-Manager runs it without arguments, where ``phnet`` then comes from the package index. A cv2
or an onnxruntime that is there under any name (opencv-python, opencv-contrib-python-headless,
onnxruntime-gpu, ...) is used as it is: pip alone would add a second one over it.
"""

import importlib.util
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

NEEDED = {  # the name that is imported, and the package that brings it where it is missing
    "numpy": "numpy>=2.0",
    "PIL": "pillow>=12.0",
    "onnxruntime": "onnxruntime>=1.29",
    "cv2": "opencv-python-headless>=4.13.0.90",
    "tifffile": "tifffile>=2025.10.16",
    "imagecodecs": "imagecodecs>=2025.8.2",
    "typer": "typer>=0.26",
    "rich": "rich>=13",
}


def main() -> int:
    """Return pip's exit status."""
    phnet = sys.argv[1] if len(sys.argv) > 1 else "phnet"
    pip = [sys.executable, "-m", "pip", "install"]
    missing = [package for name, package in NEEDED.items() if not importlib.util.find_spec(name)]
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "constraints.txt"
        here = {one.metadata["Name"]: one.version for one in metadata.distributions()}
        here.pop("phnet", None)
        kept.write_text("".join(f"{name}=={version}\n" for name, version in here.items() if name))
        if missing:
            status = subprocess.run([*pip, "-c", str(kept), *missing], check=False).returncode
            if status:
                return status
    # Without what it asks for, since that is there now, some of it under other names.
    return subprocess.run([*pip, "--no-deps", phnet], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
