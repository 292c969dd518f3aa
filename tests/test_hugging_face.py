"""What would be uploaded to Hugging Face, as far as it can be checked without it and an engine."""

import json
import re
import shlex
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import onnxruntime as ort
import pytest
import torch

from tests.waiting import until

ROOT = Path(__file__).parent.parent
SPACE = ROOT / "integrations" / "hugging_face" / "space"


def front_matter(text: str) -> dict[str, str]:
    """The plain entries of a card's head."""
    head = text.split("---\n")[1]
    return dict(re.findall(r"^(\w+): (.+)$", head, flags=re.MULTILINE))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hugging_face")
    (folder / "phnet-0-py3-none-any.whl").write_bytes(b"")
    command = [sys.executable, ROOT / "scripts" / "make_hugging_face.py", folder]
    subprocess.run([*command, folder / "phnet-0-py3-none-any.whl"], check=True)
    return folder


def test_the_folder_is_the_embedded_network(written: Path) -> None:
    from phnet.networks import PHNet

    net = PHNet.from_pretrained(written / "model")
    image, mask = torch.rand(1, 3, 256, 256), torch.zeros(1, 1, 256, 256)
    mask[..., 64:192, 64:192] = 1
    light = torch.tensor([0.9])
    with torch.no_grad():
        made = net(image, mask, light).numpy()
    session = ort.InferenceSession(written / "model" / "portrait.onnx")
    feed = {"image": image.numpy(), "mask": mask.numpy(), "light": light.numpy()}
    (expected,) = session.run(["harmonized"], feed)
    assert abs(made - expected).max() < 2 / 255  # the ONNX file keeps its weights in fp16


def test_the_card_has_what_the_hub_reads_and_no_dead_links(written: Path) -> None:
    text = (written / "model" / "README.md").read_text()
    about = front_matter(text)
    assert about["license"] == "apache-2.0"
    assert about["pipeline_tag"] == "image-to-image"
    assert "What it is not for" in text
    assert not re.search(r"\]\((?!https://)", text)


def test_the_space_is_put_together(written: Path) -> None:
    files = {path.name for path in (written / "space").iterdir()}
    wheel = "phnet-0-py3-none-any.whl"
    assert files == {"Dockerfile", "README.md", "constraints.txt", "phnet.txt", wheel}
    assert (written / "space" / "phnet.txt").read_text() == f"./{wheel}[serve,heic]\n"
    text = (SPACE / "Dockerfile").read_text()
    about = front_matter((SPACE / "README.md").read_text())
    assert about["sdk"] == "docker"
    assert f"EXPOSE {about['app_port']}\n" in text
    assert "USER 1000\n" in text
    (copied,) = re.findall(r"^COPY (.*) \./$", text, flags=re.MULTILINE)
    assert all(list((written / "space").glob(name)) for name in shlex.split(copied))


@pytest.mark.slow
def test_the_command_of_the_space_serves() -> None:
    pytest.importorskip("fastapi")
    (line,) = re.findall(r"^CMD (.*)$", (SPACE / "Dockerfile").read_text(), flags=re.MULTILINE)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    name, *words = [port if word == "7860" else word for word in json.loads(line)]
    assert name == "phnet"
    words = ["127.0.0.1" if word == "0.0.0.0" else word for word in words]  # this machine alone
    with subprocess.Popen([sys.executable, "-m", "phnet", *words]) as server:
        try:

            def serves() -> bool:
                assert server.poll() is None, "the server ended"
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
                        return bool(answer.status == 200)
                except OSError:
                    return False

            until(serves)
        finally:
            server.terminate()
