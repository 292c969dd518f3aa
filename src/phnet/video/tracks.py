"""Tracks of a video file besides its picture: sound, subtitles, languages, title, chapters.

Tracks are passed on as they are where the container can hold them, which is found out by writing
the start of such a file into memory; sound that it cannot hold is encoded anew.
"""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

from phnet.video.container import Report, is_cover, picture_stream, pyav

# What sound is encoded with where it cannot stay, the first that is there.
SOUND_ENCODERS = {".webm": ("libopus", "opus", "libvorbis")}
SOUND_ENCODER = ("aac",)
OPUS_RATE = 48_000
AAC_RATES = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
BIT_RATE = 80_000  # of a channel
# Tags of how the old file was written, which are not true of the new one.
STALE_TAGS = (
    *("encoder", "duration", "major_brand", "minor_version", "compatible_brands"),
    *("number_of_frames", "number_of_bytes", "bps", "alpha_mode", "vendor_id", "rotate"),
)
STALE_STARTS = ("_statistics", "number_of_", "bps-", "duration-")
# ISO 639-2 has two codes for some languages; QuickTime knows the older ones.
OLDER_CODES = {
    "bod": "tib",
    "ces": "cze",
    "cym": "wel",
    "deu": "ger",
    "ell": "gre",
    "eus": "baq",
    "fas": "per",
    "fra": "fre",
    "hye": "arm",
    "isl": "ice",
    "kat": "geo",
    "mkd": "mac",
    "mri": "mao",
    "msa": "may",
    "mya": "bur",
    "nld": "dut",
    "ron": "rum",
    "slk": "slo",
    "sqi": "alb",
    "zho": "chi",
}


class Tracks:
    """The sound and the subtitles of a file on their way to another.

    Args:
        target: the container to write.
        source: the container that is read.
        output: the file's name, for sentences.
        report: gets what there is to tell.
    """

    def __init__(self, target: Any, source: Any, output: Path, report: Report) -> None:
        self._target, self._output, self._report = target, output, report
        self._copied: dict[int, Any] = {}
        self._encoded: dict[int, _Encoded] = {}
        self._lost = 0  # packets of sound that cannot be decoded
        left: dict[str, int] = {}
        picture = picture_stream(source)
        for stream in source.streams:
            if stream.type == "audio":
                self._add_sound(stream)
            elif stream.type == "subtitle":
                self._add_subtitles(stream)
            elif stream.index != picture.index:
                kind = stream.type if stream.type in ("data", "attachment") else "further video"
                kind = "cover" if stream.type == "video" and is_cover(stream) else kind
                left[kind] = left.get(kind, 0) + 1
        if left:
            kinds = ", ".join(f"{count} {kind}" for kind, count in left.items())
            report.notes.append(f"{output}: tracks that were left out: {kinds}")

    def _add_sound(self, stream: Any) -> None:
        name = stream.codec_context.name if stream.codec_context else "of an unknown kind"
        suffix = self._output.suffix
        if can_hold(self._target.format.name, stream):
            self._copied[stream.index] = self._copy_of(stream)
            return
        known = SOUND_ENCODERS.get(suffix.lower(), SOUND_ENCODER)
        encoder = next((n for n in known if n in pyav().codecs_available), None)
        about = f"{self._output}: the sound is {name}, which {suffix} cannot hold, and was"
        if encoder is None or stream.codec_context is None or not stream.rate:
            self._report.notes.append(f"{about} left out")
            return
        self._encoded[stream.index] = made = _Encoded(self._target, stream, encoder)
        describe(stream, made.stream)
        self._report.notes.append(f"{about} encoded as {encoder.removeprefix('lib')}")

    def _add_subtitles(self, stream: Any) -> None:
        if can_hold(self._target.format.name, stream):
            self._copied[stream.index] = self._copy_of(stream)
            return
        name = stream.codec_context.name if stream.codec_context else "of an unknown kind"
        self._report.notes.append(
            f"{self._output}: the subtitles are {name}, which {self._output.suffix} cannot hold, "
            "and were left out"
        )

    def _copy_of(self, stream: Any) -> Any:
        made = self._target.add_stream_from_template(stream)
        describe(stream, made)
        return made

    def packets(self, packet: Any) -> list[Any]:
        """Packets to write for one that was read."""
        index = packet.stream.index
        if index in self._encoded:
            try:
                return self._encoded[index].packets(packet if packet.size else None)
            except (ValueError, pyav().error.FFmpegError):
                self._lost += bool(packet.size)
                return []
        stream = self._copied.get(index)
        if stream is None or packet.dts is None:
            return []
        packet.stream = stream
        return [packet]

    def rest(self) -> list[Any]:
        """Packets that the encoders of sound still hold."""
        if self._lost:
            self._report.notes.append(
                f"{self._output}: {self._lost} broken packets of sound were left out"
            )
        return [packet for encoded in self._encoded.values() for packet in encoded.rest()]


class _Encoded:
    """A track of sound that is encoded anew."""

    def __init__(self, target: Any, source: Any, encoder: str) -> None:
        self._decoder = source.codec_context
        channels = len(source.layout.channels)
        layout = LAYOUTS.get(channels, "stereo")
        rate = OPUS_RATE if "opus" in encoder else min(source.rate, AAC_RATES[0])
        if encoder == "aac" and rate not in AAC_RATES:
            rate = AAC_RATES[0]
        self.stream = target.add_stream(encoder, rate=rate, layout=layout)
        self.stream.codec_context.bit_rate = BIT_RATE * min(channels, 6)
        self._is_done = False

    def packets(self, packet: Any) -> list[Any]:
        """The packets that a decoded one becomes; None: the end."""
        made = []
        for frame in self._decoder.decode(packet):
            # In samples, since an AVI counts in packets, which shorter ones would share.
            if frame.pts is not None and frame.time_base and frame.sample_rate:
                frame.pts = round(frame.pts * frame.time_base * frame.sample_rate)
                frame.time_base = Fraction(1, frame.sample_rate)
            made += self.stream.encode(frame)
        return made

    def rest(self) -> list[Any]:
        """The last packets."""
        return list(self.stream.encode(None))


def can_hold(form: str, stream: Any) -> bool:
    """Tell whether a container of FFmpeg's format ``form`` can hold a track as it is."""
    av = pyav()
    try:
        with av.open(io.BytesIO(), "w", format=form) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (ValueError, TypeError, av.error.FFmpegError):
        return False
    return True


def describe(before: Any, after: Any) -> None:
    """Hand on a track's language, title and role."""
    tags = true_tags(before.metadata)
    language = tags.get("language", "")
    if after.container.format.name == "mov" and language in OLDER_CODES:
        tags["language"] = OLDER_CODES[language]
    after.metadata.update(tags)
    after.disposition = before.disposition.value


def describe_file(source: Any, target: Any) -> None:
    """Hand on a file's title, date, place, artist and chapters."""
    tags = true_tags(source.metadata)
    target.metadata.update(tags)
    if hasattr(target, "set_chapters"):
        chapters = source.chapters()
        if chapters:
            target.set_chapters(chapters)


def true_tags(tags: dict[str, str]) -> dict[str, str]:
    """Tags without those that tell how the old file was written."""
    return {
        key: value
        for key, value in tags.items()
        if key.lower() not in STALE_TAGS and not key.lower().startswith(STALE_STARTS)
    }
