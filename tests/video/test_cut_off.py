"""Video files that end too early say so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phnet.video.container import Report
from tests.video.test_kinds import SIDE, pictures, shape_of, write


def test_a_lost_line_is_told_of_the_file_that_was_asked_for(
    convert_to: Callable[..., Report], tmp_path: Path
) -> None:
    def odd(_: Any, stream: Any) -> None:
        stream.width, stream.height = SIDE + 1, SIDE - 1

    source = write(tmp_path / "in.mp4", form="yuv444p", edit=odd)
    out = tmp_path / "out.mp4"
    assert convert_to(source, out).notes == [f"{out}: an odd side lost its last line: 96x94"]


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.ts"])
def test_a_file_that_was_cut_off_says_so(
    convert_to: Callable[..., Report], tmp_path: Path, name: str
) -> None:
    options = {"movflags": "faststart"} if name == "in.mp4" else {}
    whole = write(tmp_path / name, frames=pictures(20), container=options)
    out = tmp_path / "out.mp4"
    report = convert_to(whole, out)
    assert (report.frames, report.short) == (20, "")
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) * 7 // 10 | 1])  # in no packet's end
    report = convert_to(whole, out)
    assert 1 <= report.frames < 20
    assert len(shape_of(out)[0]) == report.frames
    of = " of 20" if name == "in.mp4" else ""
    assert report.short == (
        f"{whole}: the file ends early: {report.frames}{of} frames could be read"
    )


def test_zeros_at_the_end_are_an_early_end_too(
    convert_to: Callable[..., Report], tmp_path: Path
) -> None:
    source = write(tmp_path / "in.mp4", frames=pictures(20), container={"movflags": "faststart"})
    content = bytearray(source.read_bytes())
    half = len(content) * 7 // 10
    content[half:] = bytes(len(content) - half)
    source.write_bytes(content)
    report = convert_to(source, tmp_path / "out.mp4")
    assert report.frames < 20
    assert "the file ends early" in report.short
