#!/usr/bin/env python3
"""Fetch onnxruntime-web's files for the static page and pack them into the package (needs npm).

Writes src/phnet/web/onnxruntime-web.tar.xz, always the same bytes for the same release; the
licence and the notices, which the npm package lacks, are those of the Python package.
"""

import hashlib
import io
import lzma
import subprocess
import sys
import tarfile
import tempfile
from base64 import b64encode
from importlib import resources
from pathlib import Path

RELEASE = "onnxruntime-web@1.30.0"
# npm's "dist.integrity" of that release.
INTEGRITY = (
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CX"
    "AfKYQ=="
)
WANTED = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
TARGET = Path(__file__).parent.parent / "src" / "phnet" / "web" / "onnxruntime-web.tar.xz"


def main() -> int:
    """Return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", RELEASE], cwd=folder, check=True)
        (file,) = Path(folder).glob("*.tgz")
        content = file.read_bytes()
    if "sha512-" + b64encode(hashlib.sha512(content).digest()).decode() != INTEGRITY:
        print(f"{RELEASE}: not the file that was expected (its sha512 differs)", file=sys.stderr)
        return 1
    files = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as package:
        for name in WANTED:
            member = package.extractfile(f"package/dist/{name}")
            assert member is not None
            # Some hosts do not know that .mjs is JavaScript.
            files[name.replace(".mjs", ".js")] = member.read()
    runtime = resources.files("onnxruntime")
    for name in ("LICENSE", "ThirdPartyNotices.txt"):
        files[f"onnxruntime-{name}"] = (runtime / name).read_bytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, part in files.items():
            information = tarfile.TarInfo(name)
            information.size = len(part)
            archive.addfile(information, io.BytesIO(part))
    TARGET.write_bytes(lzma.compress(packed.getvalue(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{TARGET.name}: {TARGET.stat().st_size:,} bytes")
    print(f"sha256 {hashlib.sha256(TARGET.read_bytes()).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
