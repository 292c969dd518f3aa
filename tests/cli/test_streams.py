"""``-`` in the place of files, and a folder that exists as the output."""

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from tests.conftest import disc_mask

Run = Callable[..., tuple[int, str, str]]


class Binary:
    """A standard stream with bytes below it."""

    def __init__(self, content: bytes = b"", terminal: bool = False) -> None:
        self.buffer = io.BytesIO(content)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def flush(self) -> None:
        """Everything is there at once."""


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(astronaut()).resize((96, 96)).save("photo.jpg", quality=95)
    Image.fromarray(disc_mask(96, 96)).save("mask.png")
    Image.fromarray(disc_mask(60, 90)).convert("RGB").save("scene.png")
    return Path("photo.jpg").read_bytes()


def piped(
    run: Run, monkeypatch: pytest.MonkeyPatch, content: bytes, *arguments: str
) -> tuple[int, bytes, str]:
    """Run with bytes on standard input: status, bytes on standard output, err."""
    out = Binary()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", Binary(content))
        patch.setattr("phnet.cli.streams.sys.stdout", out)
        status, _, err = run(*arguments)
    return status, out.buffer.getvalue(), err


def test_a_picture_goes_through_a_pipe_as_through_files(
    photo: bytes, command_line: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command_line("harmonize", "photo.jpg", "mask.png", "-o", "out.jpg")[0] == 0
    arguments = ("harmonize", "-", "mask.png", "-o", "-")
    status, out, err = piped(command_line, monkeypatch, photo, *arguments)
    assert (status, out) == (0, Path("out.jpg").read_bytes())
    assert err == "standard output: 96x96, 35% of it foreground, harmonized\n"
    mask = Path("mask.png").read_bytes()
    arguments = ("harmonize", "photo.jpg", "--mask", "-", "-o", "-")
    assert piped(command_line, monkeypatch, mask, *arguments)[1] == out
    arguments = ("compose", "-", "scene.png", "-o", "-")
    status, out, err = piped(command_line, monkeypatch, photo, *arguments)
    assert status == 0, err
    assert Image.open(io.BytesIO(out)).size == (90, 60)
    status, out, _ = piped(command_line, monkeypatch, photo, "matte", "-", "-o", "-")
    assert status == 0
    assert np.asarray(Image.open(io.BytesIO(out))).shape == (96, 96)


@pytest.mark.parametrize(
    ("content", "arguments", "sentence"),
    [
        (b"x", ("harmonize", "-", "-", "-o", "o.png"), "expected one file from standard input"),
        (b"", ("harmonize", "-", "-o", "o.png"), "standard input: expected a picture .* nothing"),
        (b"no picture", ("matte", "-", "-o", "-"), "standard input: expected an image"),
        (b"x", ("harmonize", "-", "-o", "."), "expected a file name for what comes from"),
        (b"x", ("harmonize", ".", "-o", "-"), "expected a folder to write to"),
        (b"x", ("compose", ".", "scene.png", "-o", "-"), "expected a folder to write to"),
        (b"x", ("harmonize", "photo.jpg", "mask.png", "--mask", "m", "-o", "-"), "expected one"),
    ],
)
@pytest.mark.usefixtures("photo")
def test_what_cannot_be_is_one_sentence(
    command_line: Run,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    status, out, err = piped(command_line, monkeypatch, content, *arguments)
    assert (status, out) == (2, b"")
    assert err.count("\n") == 1
    assert re.search(sentence, err)


@pytest.mark.usefixtures("photo")
def test_a_folder_that_exists_gets_the_result_by_its_name(command_line: Run) -> None:
    Path("out").mkdir()
    status, out, _ = command_line("harmonize", "photo.jpg", "mask.png", "-o", "out")
    assert (status, out.split(":")[0]) == (0, str(Path("out/photo.jpg")))
    with Image.open("out/photo.jpg") as image:
        assert image.size == (96, 96)
    assert command_line("matte", "photo.jpg", "-o", "out")[0] == 0
    with Image.open("out/photo.png") as image:
        assert image.mode == "L"
    status, _, err = command_line("harmonize", "photo.jpg", "mask.png", "-o", ".")
    assert status == 2
    assert "the output is also an input" in err
