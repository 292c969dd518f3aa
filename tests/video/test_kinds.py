"""Video files as the world has them, each made here: what comes out has the right look and tags."""

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from phnet.errors import BadImage
from phnet.video.container import Report, opened
from phnet.video.frames import Reader
from tests.video.conftest import GREEN

av = pytest.importorskip("av")
SIDE = 96


def pictures(count: int = 4, channels: int = 3) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for i in range(count):
        shown = rng.integers(70, 110, (SIDE, SIDE, channels), np.uint8)
        shown[48:80, 50 + 2 * i : 80 + 2 * i] = 190
        yield shown


def write(
    path: Path,
    codec: str = "libx264",
    form: str = "yuv420p",
    frames: Iterator[np.ndarray] | None = None,
    sound: tuple[str, ...] = (),
    container: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    edit: Callable[[Any, Any], None] = lambda *_: None,
    **colors: int,
) -> Path:
    """A small video; ``edit`` gets container and stream before anything is written."""
    with av.open(str(path), "w", options=container or {}) as target:
        stream = target.add_stream(codec, rate=25, options=codec_options or {})
        stream.width = stream.height = SIDE
        stream.pix_fmt = form
        for name, value in colors.items():
            setattr(stream.codec_context, name, value)
        tones = [target.add_stream(name, rate=48000, layout="stereo") for name in sound]
        edit(target, stream)
        for shown in frames or pictures():
            kind = {3: "rgb24", 4: "rgba"}[shown.shape[2]]
            if shown.dtype == np.uint16:
                kind = "rgb48le"
            frame = av.VideoFrame.from_ndarray(shown, format=kind)
            if form != kind:
                frame = frame.reformat(format=form, dst_colorspace=colors.get("colorspace"))
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
        for tone in tones:
            wave = np.sin(np.arange(9600) / 9).astype(np.float32)[None].repeat(2, 0)
            samples = av.AudioFrame.from_ndarray(wave, format="fltp", layout="stereo")
            samples.sample_rate, samples.pts = 48000, 0
            target.mux(tone.encode(samples))
            target.mux(tone.encode(None))
    return path


def corner(path: Path) -> np.ndarray:
    """Mean color of the upper left of the first frame, as a player shows it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        matrix = int(frame.colorspace) if int(frame.colorspace) != 2 else 5
        return frame.to_ndarray(format="rgb24", src_colorspace=matrix)[4:20, 4:20].mean((0, 1))


def shape_of(path: Path) -> tuple[list[float], Any, list[Any]]:
    """Times, the picture's track and all tracks."""
    with av.open(str(path)) as container:
        times = [round(float(f.time), 3) for f in container.decode(video=0)]
        return times, container.streams.video[0], list(container.streams)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_picture_with_wide_pixels_plays_as_wide_and_so_does_the_background(
    convert_to: Callable[..., Report], tmp_path: Path, suffix: str
) -> None:
    def wide(_: Any, stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)

    scene = np.zeros((192, 256, 3), np.uint8)
    rows, columns = np.mgrid[:192, :256]
    scene[(rows - 60) ** 2 + (columns - 70) ** 2 < 40**2] = 255
    Image.fromarray(scene).save(tmp_path / "disc.png")
    out = tmp_path / f"out{suffix}"
    report = convert_to(write(tmp_path / "in.mp4", edit=wide), out, tmp_path / "disc.png")
    is_square = suffix == ".webm"
    assert report.notes == [f"{out}: the pixels were made square: 128x96"] * is_square
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        aspect = stream.sample_aspect_ratio or Fraction(1)
        assert stream.width * aspect == 128
        shown = next(container.decode(video=0)).to_ndarray(format="gray")
    seen = shown[:48] > 128
    height, width = np.ptp(np.flatnonzero(seen.any(1))) + 1, np.ptp(np.flatnonzero(seen.any(0))) + 1
    assert abs(width * aspect - height) <= 2


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_becomes_sdr_and_the_background_keeps_its_look(
    convert_to: Callable[..., Report], tmp_path: Path, transfer: int, name: str
) -> None:
    source = write(
        tmp_path / "in.mkv",  # into mp4 FFmpeg writes such a video only now and then
        "libx265",
        "yuv420p10le",
        frames=iter([p.astype(np.uint16) * 257 for p in pictures(2)]),
        codec_options={"x265-params": "log-level=none"},
        color_trc=transfer,
        color_primaries=9,
        colorspace=9,
        color_range=1,
    )
    out = tmp_path / "out.mp4"
    report = convert_to(source, out)
    assert report.notes == [f"{source}: HDR ({name}) is tone-mapped to SDR (BT.709)"]
    given = shape_of(out)[1].codec_context
    assert given.pix_fmt == "yuv420p"
    tags = (given.colorspace, given.color_primaries, given.color_trc, given.color_range)
    assert tuple(int(tag) for tag in tags) == (1, 1, 1, 1)
    np.testing.assert_allclose(corner(out), GREEN, atol=6)


def test_rgb_is_written_as_what_it_becomes(
    convert_to: Callable[..., Report], tmp_path: Path
) -> None:
    source, out = write(tmp_path / "in.mp4", "libx264rgb", "rgb24"), tmp_path / "out.mp4"
    report = convert_to(source, out)
    assert report.notes == [f"{source}: RGB becomes YUV 4:2:0 (BT.709)"]
    given = shape_of(out)[1].codec_context
    assert (int(given.colorspace), int(given.color_range)) == (1, 1)
    np.testing.assert_allclose(corner(out), GREEN, atol=6)


def test_raw_frames_get_the_times_of_their_rate(
    convert_to: Callable[..., Report], tmp_path: Path
) -> None:
    out = tmp_path / "out.mp4"
    convert_to(write(tmp_path / "in.h264"), out)
    assert shape_of(out)[0] == [0.0, 0.04, 0.08, 0.12]


@pytest.mark.parametrize("is_interlaced", [True, False])
def test_interlaced_frames_are_made_whole(tmp_path: Path, is_interlaced: bool) -> None:
    def fields() -> Iterator[np.ndarray]:
        for i in range(6):
            shown = np.full((SIDE, SIDE, 3), 60, np.uint8)
            shown[::2, 8 + 8 * i : 40 + 8 * i] = 220
            shown[1::2, 12 + 8 * i : 44 + 8 * i] = 220
            yield shown

    options = {"x264-params": "tff=1"} if is_interlaced else {}
    source = write(tmp_path / "in.mp4", frames=fields(), codec_options=options)
    report = Report()
    with opened(source) as container:
        shown = list(Reader(container, source, report).frames())
    combed = [float(np.abs(np.diff(s.pixels[:, :, 1].astype(int), axis=0)).mean()) for s in shown]
    assert [round(s.seconds, 3) for s in shown] == [0, 0.04, 0.08, 0.12, 0.16, 0.2]
    assert (max(combed) < 4) == is_interlaced
    said = [f"{source}: interlaced frames were deinterlaced"] if is_interlaced else []
    assert report.notes == said


@pytest.mark.parametrize(
    ("source", "codec", "sound", "output", "expected"),
    [
        ("in.webm", "libvpx-vp9", "libopus", "out.mov", "aac"),
        ("in.mp4", "libx264", "aac", "out.webm", "opus"),
        ("in.mkv", "libx264", "pcm_s16le", "out.m4v", "aac"),
        ("in.webm", "libvpx-vp9", "libopus", "out.mp4", None),
        ("in.mkv", "libx264", "pcm_s16le", "out.mov", None),
        ("in.ts", "libx264", "aac", "out.mp4", None),
    ],
)
def test_sound_stays_or_is_encoded_for_the_container(
    convert_to: Callable[..., Report],
    tmp_path: Path,
    source: str,
    codec: str,
    sound: str,
    output: str,
    expected: str | None,
) -> None:
    before, out = write(tmp_path / source, codec, sound=(sound,)), tmp_path / output
    report = convert_to(before, out)
    notes = [note for note in report.notes if "sound" in note]
    with av.open(str(out)) as container:
        (track,) = container.streams.audio
        name = track.codec_context.name
        lengths = [f.samples / f.sample_rate for f in container.decode(audio=0)]
    assert name == (expected or sound.removeprefix("lib"))
    assert 0.15 < sum(lengths) < 0.3
    assert bool(notes) == bool(expected)
    if expected:
        was = sound.removeprefix("lib")
        suffix = out.suffix
        assert notes == [
            f"{out}: the sound is {was}, which {suffix} cannot hold, and was encoded as {expected}"
        ]


@pytest.mark.parametrize("output", ["out.mp4", "out.mov", "out.mkv"])
def test_title_date_languages_and_chapters_stay(
    convert_to: Callable[..., Report], tmp_path: Path, output: str
) -> None:
    def tags(target: Any, _: Any) -> None:
        target.metadata.update(title="Holiday", creation_time="2020-01-02T03:04:05Z")
        for track, language in zip(target.streams.audio, ("eng", "deu"), strict=True):
            track.metadata["language"] = language
        target.set_chapters(
            [{"id": 1, "start": 0, "end": 80, "time_base": Fraction(1, 1000), "metadata": {}}]
        )

    source, out = write(tmp_path / "in.mp4", sound=("aac", "aac"), edit=tags), tmp_path / output
    convert_to(source, out)
    with av.open(str(out)) as container:
        assert container.metadata["title"] == "Holiday"
        assert container.metadata["creation_time"].startswith("2020-01-02T03:04:05")
        german = "ger" if output == "out.mov" else "deu"  # the code that QuickTime has
        assert [track.language for track in container.streams.audio] == ["eng", german]
        assert len(container.chapters()) == 1


def test_sound_that_is_counted_in_packets_keeps_its_times(
    convert_to: Callable[..., Report], tmp_path: Path
) -> None:
    """An AVI's MP3: 1152 samples a unit of time, while AAC has packets of 1024."""
    source = write(tmp_path / "in.avi", "mpeg4", sound=("libmp3lame",))
    out = tmp_path / "out.m4v"
    report = convert_to(source, out)
    assert [note for note in report.notes if note.endswith("was encoded as aac")]
    with av.open(str(out)) as container:
        times = [float(f.time) for f in container.decode(audio=0)]
    np.testing.assert_allclose(np.diff(times), 1024 / 48000, atol=2e-4)


def test_subtitles_stay_where_the_container_can_hold_them(
    convert_to: Callable[..., Report], tmp_path: Path
) -> None:
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as target:
        stream = target.add_stream("libx264", rate=25)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        words = target.add_mux_stream("subrip")
        words.metadata["language"] = "deu"
        for shown in pictures():
            target.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        target.mux(stream.encode(None))
        packet = av.Packet(b"Guten Tag")
        packet.stream, packet.time_base = words, Fraction(1, 1000)
        packet.pts = packet.dts = 40
        packet.duration = 100
        target.mux(packet)
    assert convert_to(source, tmp_path / "out.mkv").notes == []
    with av.open(str(tmp_path / "out.mkv")) as container:
        (track,) = container.streams.subtitles
        assert track.language == "deu"
        said = [(bytes(p), p.pts) for p in container.demux(track) if p.size]
    assert said == [(b"Guten Tag", 40)]
    out = tmp_path / "out.mp4"
    assert convert_to(source, out).notes == [
        f"{out}: the subtitles are srt, which .mp4 cannot hold, and were left out"
    ]


@pytest.mark.parametrize("has_film", [False, True])
def test_a_cover_is_no_film(
    convert_to: Callable[..., Report], tmp_path: Path, has_film: bool
) -> None:
    jpeg = io.BytesIO()
    Image.new("RGB", (64, 64), (9, 200, 9)).save(jpeg, "JPEG")
    source, out = tmp_path / "song.m4a", tmp_path / "out.mp4"
    with av.open(str(source), "w", format="mp4") as target:
        cover = target.add_mux_stream("mjpeg", rate=1, width=64, height=64)
        cover.disposition = av.stream.Disposition.attached_pic
        tone = target.add_stream("aac", rate=16000, layout="mono")
        film = target.add_stream("libx264", rate=25) if has_film else None
        if film:
            film.width = film.height = SIDE
            film.pix_fmt = "yuv420p"
            for shown in pictures():
                target.mux(film.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
            target.mux(film.encode(None))
        samples = av.AudioFrame.from_ndarray(
            np.zeros((1, 4096), np.float32), format="fltp", layout="mono"
        )
        samples.sample_rate, samples.pts = 16000, 0
        target.mux(tone.encode(samples))
        target.mux(tone.encode(None))
        packet = av.Packet(jpeg.getvalue())
        packet.stream, packet.time_base = cover, Fraction(1, 1)
        packet.pts = packet.dts = 0
        target.mux(packet)
    if has_film:
        report = convert_to(source, out)
        assert report.frames == 4
        assert report.notes == [f"{out}: tracks that were left out: 1 cover"]
    else:
        with pytest.raises(BadImage, match="expected a video, but its only picture is a cover"):
            convert_to(source, out)
        assert not out.exists()


@pytest.mark.parametrize(
    ("name", "codec", "form"),
    [
        ("in.webm", "libvpx-vp9", "yuva420p"),
        ("in.mov", "qtrle", "argb"),
        ("in.mkv", "ffv1", "bgra"),
    ],
)
def test_the_video_s_own_alpha_is_the_matte(
    convert_to: Callable[..., Report], tmp_path: Path, name: str, codec: str, form: str
) -> None:
    def cut_out() -> Iterator[np.ndarray]:
        for shown in pictures(3, 4):
            shown[..., 3] = 0
            shown[:40, :40, 3] = 255  # not where the matter says
            yield shown

    def tell(_: Any, stream: Any) -> None:
        stream.metadata["alpha_mode"] = "1"

    source, out = write(tmp_path / name, codec, form, cut_out(), edit=tell), tmp_path / "out.mp4"
    report = convert_to(source, out)
    assert f"{source}: the video's own alpha says where the person is" in report.notes
    with av.open(str(out)) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    off = np.abs(shown - np.array(GREEN)).max(2)
    assert off[52:, 52:].mean() < 8 < off[4:36, 4:36].mean()


def test_an_alpha_that_says_nothing_is_none(
    convert_to: Callable[..., Report], tmp_path: Path
) -> None:
    def opaque() -> Iterator[np.ndarray]:
        for shown in pictures(3, 4):
            shown[..., 3] = 255
            yield shown

    source, out = write(tmp_path / "in.mkv", "ffv1", "bgra", opaque()), tmp_path / "out.mp4"
    assert not [note for note in convert_to(source, out).notes if "own alpha" in note]
    np.testing.assert_allclose(corner(out), GREEN, atol=6)
