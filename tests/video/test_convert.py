"""``phnet video``: times, sound, range, and what goes wrong; without the extra it is skipped."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from phnet.errors import BadOutput
from phnet.video import Live
from phnet.video.convert import check_video_output, convert
from tests.conftest import disc_mask

av = pytest.importorskip("av")
TIMES = [0, 40, 80, 200, 240, 300]  # in thousandths: not evenly spaced
GREEN = (30, 160, 60)
Run = Callable[..., tuple[int, str, str]]


def write_video(
    path: Path, sound: bool = True, full: bool = False, size: int = 96, noise: int = 0
) -> None:
    """A small video of a still person, with a tone."""
    rng = np.random.default_rng(0)
    still = cv2.resize(astronaut(), (size, size), interpolation=cv2.INTER_AREA)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.color_range = 2 if full else 1
        tone = target.add_stream("aac", rate=16000, layout="mono") if sound else None
        for when in TIMES:
            shown = np.clip(still + rng.normal(0, noise, still.shape), 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_color_range=2 if full else 1)
            frame.pts, frame.time_base = when, Fraction(1, 1000)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
        if tone is not None:
            wave = np.sin(np.arange(4096) / 5).astype(np.float32)[None]
            samples = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            samples.sample_rate, samples.pts = 16000, 0
            target.mux(tone.encode(samples))
            target.mux(tone.encode(None))


def decoded(path: Path) -> tuple[list[float], list[np.ndarray], Any]:
    """Times, pictures and the color range."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return (
            [round(float(f.time), 3) for f in frames],
            [f.to_ndarray(format="rgb24") for f in frames],
            frames[0].color_range,
        )


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command_line: Run) -> Run:
    """Run ``phnet video`` in a folder with in.mp4, green.png and masks: status, out, err."""
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "in.mp4")
    Image.new("RGB", (64, 48), GREEN).save("green.png")
    (tmp_path / "masks").mkdir()
    for i in range(len(TIMES)):
        Image.fromarray(disc_mask(96, 96)).save(f"masks/{i:03d}.png")

    return partial(command_line, "video")


def test_times_and_sound_stay_and_the_background_is_new(run: Run, tmp_path: Path) -> None:
    arguments = ("in.mp4", "-o", "out.mp4", "--background", "green.png", "--threads", 1)
    status, out, err = run(*arguments, "--mask", "masks")
    assert status == 0, err
    assert out == "out.mp4: 6 frames, 0 cuts\n"
    times, pictures, _ = decoded(tmp_path / "out.mp4")
    assert times == [t / 1000 for t in TIMES]
    for picture in pictures:
        assert np.abs(picture[:8, :8] - np.float32(GREEN)).max() < 8
    with av.open("in.mp4") as before, av.open("out.mp4") as after:
        sounds = [[bytes(p) for p in c.demux(audio=0) if p.size] for c in (before, after)]
    assert sounds[0] == sounds[1] != []


def test_effects_change_the_person_alone(run: Run, tmp_path: Path) -> None:
    Image.fromarray(cv2.resize(astronaut(), (96, 96))).save("scene.png")
    arguments = ("--background", "scene.png", "--mask", "masks", "--threads", 1)
    for name, options in (("plain", ()), ("full", ("--finish", "--light-wrap", 1))):
        status, _, err = run("in.mp4", "-o", f"{name}.mp4", *arguments, *options)
        assert status == 0, err
    plain, full = (decoded(tmp_path / f"{name}.mp4")[1] for name in ("plain", "full"))
    off = np.abs(np.stack(plain).astype(int) - np.stack(full)).mean((0, 3))
    inside = disc_mask(96, 96)
    away = cv2.dilate(inside, np.ones((17, 17), np.uint8)) == 0
    assert off[away].mean() < 0.5  # the encoder's
    assert off[inside > 250].mean() > 1


@pytest.mark.parametrize("full", [False, True])
def test_the_color_range_stays(run: Run, tmp_path: Path, full: bool) -> None:
    write_video(tmp_path / "in.mp4", full=full)
    status, _, err = run("in.mp4", "-o", "out.mp4", "--background", "green.png", "--mask", "masks")
    assert status == 0, err
    before, (_, pictures, after) = decoded(Path("in.mp4"))[2], decoded(tmp_path / "out.mp4")
    assert int(after) == int(before)
    assert (int(after) == 2) == full
    assert np.abs(pictures[0][:8, :8] - np.float32(GREEN)).max() < 8


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_phone_video_that_is_to_be_turned_comes_out_upright(
    run: Run, tmp_path: Path, suffix: str
) -> None:
    upright = cv2.resize(astronaut(), (96, 128), interpolation=cv2.INTER_AREA)
    stored = np.ascontiguousarray(np.rot90(upright))  # lies on its left side
    name = f"phone{suffix}"
    with av.open(name, "w") as target:
        stream = target.add_stream("libx264", rate=25)
        if not hasattr(stream, "set_display_matrix"):
            pytest.skip("this PyAV cannot write a display matrix")
        # What a phone held upright writes: a quarter turn clockwise shows it as it was.
        stream.set_display_matrix([0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30])
        stream.height, stream.width = stored.shape[:2]
        stream.pix_fmt = "yuv420p"
        for _ in range(3):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(stored, format="rgb24")))
        target.mux(stream.encode(None))
    (tmp_path / "whole").mkdir()
    for i in range(3):
        Image.fromarray(np.full((128, 96), 255, np.uint8)).save(f"whole/{i}.png")
    output = f"out{suffix}"
    status, _, err = run(name, "-o", output, "--background", "green.png", "--mask", "whole")
    assert status == 0, err
    _, pictures, _ = decoded(tmp_path / output)
    gray = cv2.cvtColor(pictures[0], cv2.COLOR_RGB2GRAY)
    expected = cv2.cvtColor(upright, cv2.COLOR_RGB2GRAY)
    assert gray.shape == expected.shape
    assert np.corrcoef(gray.ravel(), expected.ravel())[0, 1] > 0.9
    with av.open(output) as container:
        assert next(container.decode(video=0)).rotation == 0


def test_an_empty_mask_says_that_nobody_is_in_the_frame(run: Run, tmp_path: Path) -> None:
    Image.new("L", (96, 96)).save("masks/002.png")
    arguments = ("in.mp4", "-o", "out.mp4", "--background", "green.png", "--threads", 1)
    status, _, err = run(*arguments, "--mask", "masks")
    assert status == 0, err
    pictures = decoded(tmp_path / "out.mp4")[1]
    off = [float(np.abs(p - np.float32(GREEN)).mean()) for p in pictures]
    assert off[2] < 8 < min(off[:2] + off[3:])


def test_a_video_behind_begins_again(run: Run, tmp_path: Path) -> None:
    write_video(tmp_path / "behind.mp4", sound=False, size=64)
    status, out, err = run(
        "in.mp4", "-o", "out.mkv", "--background", "behind.mp4", "--mask", "masks", "--threads", 1
    )
    assert status == 0, err
    assert out.startswith("out.mkv: 6 frames")


def test_ctrl_c_leaves_a_file_that_plays(tmp_path: Path) -> None:
    write_video(tmp_path / "in.mp4")
    Image.new("RGB", (64, 48), GREEN).save(tmp_path / "green.png")
    done: list[int] = []

    def stop() -> None:
        done.append(1)
        if len(done) == 3:
            raise KeyboardInterrupt

    output = tmp_path / "out.mp4"
    report = convert(
        tmp_path / "in.mp4",
        output,
        tmp_path / "green.png",
        lambda scene: Live(scene, threads=1),
        on_frame=stop,
    )
    assert report.stopped
    assert len(decoded(output)[0]) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["green.png", "in.mp4", "out.mp4"]


def test_a_file_that_ends_in_the_middle_gives_what_it_holds(run: Run, tmp_path: Path) -> None:
    write_video(tmp_path / "whole.mkv", sound=False, noise=60)
    content = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "in.mkv").write_bytes(content[: len(content) // 2])
    status, _, err = run("in.mkv", "-o", "o.mkv", "--background", "green.png", "--mask", "masks")
    assert status == 1, err
    assert "phnet: in.mkv: the file ends early: " in err
    assert err.endswith(" frames could be read; o.mkv holds those\n")
    assert 1 <= len(decoded(tmp_path / "o.mkv")[0]) < len(TIMES)


def test_a_broken_frame_is_left_out_and_said(run: Run, tmp_path: Path) -> None:
    write_video(tmp_path / "whole.mp4", sound=False, noise=60)
    with av.open(str(tmp_path / "whole.mp4")) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    content = bytearray((tmp_path / "whole.mp4").read_bytes())
    start, size = packets[3]
    content[start : start + size] = b"\xff" * size
    (tmp_path / "in.mp4").write_bytes(content)
    status, _, err = run("in.mp4", "-o", "o.mp4", "--background", "green.png", "--mask", "masks")
    assert status == 0, err
    assert "broken packets were left out" in err
    assert 2 <= len(decoded(tmp_path / "o.mp4")[0]) < len(TIMES)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["green.png", "-o", "green.mp4", "--background", "none.png"], "none.png"),
        (["in.mp4", "-o", "o.avi", "--background", "green.png"], "expected a name ending in .mp4"),
        (["in.mp4", "-o", "in.mp4", "--background", "green.png"], "also an input"),
        (["none.mp4", "-o", "o.mp4", "--background", "green.png"], "none.mp4: cannot be read"),
        (["text.mp4", "-o", "o.mp4", "--background", "green.png"], "text.mp4: "),
        (["codec.mp4", "-o", "o.mp4", "--background", "green.png"], "expected a known codec"),
        (
            ["in.mp4", "-o", "o.mp4", "--background", "green.png", "--mask", "few"],
            "few: expected a mask for each frame, found only 1",
        ),
        (
            ["in.mp4", "-o", "o.mp4", "--background", "green.png", "--mask", "wide"],
            "0.png: expected the composite's aspect (96x96), got 96x48",
        ),
        (
            ["in.mp4", "-o", "o.mp4", "--background", "green.png", "--mask", "nowhere"],
            "nowhere: expected a folder of masks, or auto",
        ),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_nothing_is_written(
    run: Run, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    (tmp_path / "text.mp4").write_text("not a video")
    content = (tmp_path / "in.mp4").read_bytes()
    (tmp_path / "codec.mp4").write_bytes(content.replace(b"avc1", b"zzzz"))
    (tmp_path / "few").mkdir()
    Image.fromarray(disc_mask(96, 96)).save("few/0.png")
    (tmp_path / "wide").mkdir()
    Image.fromarray(disc_mask(48, 96)).save("wide/0.png")
    before = sorted(tmp_path.iterdir())
    status, _, err = run(*arguments)
    assert status == 2
    assert sentence in err
    assert err.count("phnet: ") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    with pytest.raises(BadOutput, match="existing folder"):
        check_video_output(tmp_path / "nowhere" / "out.mp4")


def test_masks_with_classes_name_the_person(run: Run, tmp_path: Path) -> None:
    write_video(tmp_path / "in.mkv", sound=False)
    folder = tmp_path / "ids"
    folder.mkdir()
    for number in range(len(TIMES)):
        ids = np.zeros((96, 96), np.uint8)
        ids[:10] = 7  # the sky
        if number:  # in the first frame there is nobody
            ids[20:40, 20:40] = 15
        Image.fromarray(ids).save(folder / f"{number:03}.png")
    given = ("in.mkv", "-o", "o.mkv", "--background", "green.png", "--mask", "ids")
    status, _, err = run(*given)
    assert status == 2
    assert "ids 7, 15" in err
    status, out, err = run(*given, "--class", "15")
    assert status == 0, err
    assert out.startswith(f"o.mkv: {len(TIMES)} frames")
    first, last = (decoded(tmp_path / "o.mkv")[1][i].astype(int) for i in (0, -1))
    assert np.abs(first - GREEN).max() < 20  # all of it background
    assert np.abs(last[:10] - GREEN).max() < 20  # the sky is no person
    assert np.abs(last[22:38, 22:38] - GREEN).max() > 40
    status, _, err = run("in.mkv", "-o", "o.mkv", "--background", "green.png", "--class", "15")
    assert status == 2
    assert "expected a folder of masks" in err
