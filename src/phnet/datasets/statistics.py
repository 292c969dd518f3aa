"""Figure 1 of the paper for any set: brightness, foreground, channels, and a contact sheet."""

import base64
import html
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

import cv2
import numpy as np
import numpy.typing as npt

from phnet.batch.executors import apply
from phnet.datasets import readers
from phnet.datasets.benchmark_sets import load_pair
from phnet.datasets.readers import Sample
from phnet.datasets.skin_tone import find_skin
from phnet.errors import BadData
from phnet.images.arrays import Doubles, Floats, to_uint8

# What the paper states of FFHQH (section 3.2).
PAPER_BRIGHTNESS = 113.0
PAPER_FOREGROUND = 0.70
PAPER_MEANS = (0.51, 0.42, 0.37)
PAPER_DEVIATIONS = (0.25, 0.23, 0.23)

BRIGHTNESS_EDGES = np.linspace(0, 256, 33)
FOREGROUND_EDGES = np.linspace(0, 100, 26)
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as the paper's 113 follows from its means
THUMBNAIL = 132  # height of a picture of the contact sheet, in pixels


@dataclass(frozen=True)
class Statistics:
    """Statistics of a data set; every image counts the same, whatever its size."""

    layout: str
    splits: dict[str, int]  # samples in each
    brightness: Doubles  # mean luma of each real photo, in [0, 255]
    foreground: Doubles  # share of each mask above 0.5, in [0, 1]
    means: Doubles  # (3,), RGB of the real photos, in [0, 1]
    deviations: Doubles  # (3,), over all pixels of all real photos
    sheet: list[Sample] = field(default_factory=list)  # for the contact sheet


def measure(
    root: str | os.PathLike[str],
    real: str | os.PathLike[str] | None = None,
    *,
    examples: int = 24,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Statistics:
    """Measure all splits of a tree; a real photo with several composites counts once.

    Args:
        root: a tree of iHarmony4 or FFHQH.
        real: folder of FFHQH's real photos, where it is not ``root/real``.
        examples: triples of the contact sheet, spread evenly over the set.
        jobs: worker processes.
        progress: called with (done, total) samples.
    """
    splits = {split: readers.read(root, split, real) for split in readers.splits(root)}
    everything = [sample for found in splits.values() for sample in found]
    if not everything:
        raise BadData(f"{root}: expected at least one split file, found none")
    sums: dict[Path, Doubles] = {}
    shares = []
    for done, (path, of_photo, share) in enumerate(apply(_of_sample, everything, jobs)):
        sums[path] = of_photo
        shares.append(share)
        if progress is not None:
            progress(done + 1, len(everything))
    photos = np.array(list(sums.values()))
    means = photos[:, :3].mean(0)
    deviations = np.sqrt(np.maximum(photos[:, 3:].mean(0) - means**2, 0))
    picked = np.linspace(0, len(everything) - 1, min(examples, len(everything)))
    return Statistics(
        readers.layout(root),
        {split: len(found) for split, found in splits.items()},
        photos[:, :3] @ LUMA * 255,
        np.array(shares),
        means,
        deviations,
        [everything[int(i)] for i in picked],
    )


def skin_angles(
    files: Sequence[tuple[Path, Path]],
    *,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[float | None]:
    """The individual typology angle of each photo with a mask, in degrees; None without a face.

    Args:
        files: photos and their masks.
        jobs: worker processes.
        progress: called with (done, total) photos.
    """
    angles = []
    for done, angle in enumerate(apply(_skin_angle, files, jobs)):
        angles.append(angle)
        if progress is not None:
            progress(done + 1, len(files))
    return angles


def _skin_angle(files: tuple[Path, Path]) -> float | None:
    photo, mask = load_pair(*files)
    skin = find_skin(photo, mask / 255)
    return None if skin is None else skin.angle


def _of_sample(sample: Sample) -> tuple[Path, Doubles, float]:
    """The real photo's path, its mean and mean square for each channel (6,), the mask's share."""
    pixels = sample.real.reshape(-1, 3).astype(np.float64)
    moments = np.concatenate([pixels.mean(0), (pixels**2).mean(0)])
    return sample.real_path, moments, float(sample.mask.mean())


def page(statistics: Statistics, title: str) -> str:
    """Return an HTML page of ``statistics`` that needs no other file."""
    brightness, foreground = statistics.brightness, statistics.foreground
    rows = [
        (
            "Brightness, mean (0 to 255)",
            f"{brightness.mean():.1f}",
            f"about {PAPER_BRIGHTNESS:.0f}",
        ),
        ("Foreground, mean", f"{100 * foreground.mean():.1f}%", f"{100 * PAPER_FOREGROUND:.0f}%"),
        ("Channel means R, G, B", _numbers(statistics.means), _numbers(PAPER_MEANS)),
        ("Channel deviations", _numbers(statistics.deviations), _numbers(PAPER_DEVIATIONS)),
    ]
    table = "".join(f"<tr><th>{a}</th><td>{b}</td><td>{c}</td></tr>" for a, b, c in rows)
    counts = ", ".join(f"{split} {count:,}" for split, count in statistics.splits.items())
    return _PAGE.substitute(
        title=html.escape(title),
        summary=(
            f"{statistics.layout}: {len(foreground):,} composites ({counts}) "
            f"of {len(brightness):,} real photos"
        ),
        table=table,
        brightness=histogram(
            np.histogram(brightness, BRIGHTNESS_EDGES)[0],
            BRIGHTNESS_EDGES,
            float(brightness.mean()),
            PAPER_BRIGHTNESS,
            "Mean brightness of a photo",
        ),
        foreground=histogram(
            np.histogram(100 * foreground, FOREGROUND_EDGES)[0],
            FOREGROUND_EDGES,
            float(100 * foreground.mean()),
            100 * PAPER_FOREGROUND,
            "Foreground, % of the picture",
        ),
        sheet="".join(map(_figure, statistics.sheet)),
    )


def _numbers(values: npt.ArrayLike) -> str:
    return ", ".join(f"{value:.2f}" for value in np.asarray(values).tolist())


def histogram(
    counts: npt.NDArray[np.int64], edges: Doubles, mean: float, paper: float, label: str
) -> str:
    """Return an SVG of bars, with the mean as a solid line and the paper's as a dashed one."""
    width, height, left, top, bottom = 520, 230, 46, 26, 44
    inner_width, inner_height = width - left - 14, height - top - bottom
    low, high, most = float(edges[0]), float(edges[-1]), max(1, int(counts.max()))

    def across(value: float) -> float:
        return left + inner_width * (value - low) / (high - low)

    def up(count: float) -> float:
        return top + inner_height * (1 - count / most)

    base = top + inner_height
    bars = "".join(
        f'<rect class="bar" x="{across(a) + 0.5:.1f}" y="{up(n):.1f}" '
        f'width="{across(b) - across(a) - 1:.1f}" height="{base - up(n):.1f}">'
        f"<title>{a:g} to {b:g}: {n}</title></rect>"
        for a, b, n in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
    )
    ticks = "".join(
        f'<text x="{across(value):.1f}" y="{base + 16}" text-anchor="middle">{value:g}</text>'
        for value in np.linspace(low, high, 5).tolist()
    )
    lines = "".join(
        f'<line class="{name}" x1="{across(x):.1f}" x2="{across(x):.1f}" y1="{top}" y2="{base}"/>'
        for name, x in (("mean", mean), ("paper", paper))
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
        f'<text x="{left - 6}" y="{top + 10}" text-anchor="end">{most}</text>'
        f'<text x="{left - 6}" y="{base}" text-anchor="end">0</text>{bars}{lines}{ticks}'
        f'<line class="axis" x1="{left}" x2="{left + inner_width}" y1="{base}" y2="{base}"/>'
        f'<text x="{left + inner_width / 2}" y="{height - 6}" text-anchor="middle">{label}</text>'
        f'<text x="{left}" y="14">solid: mean {mean:.1f} · dashed: paper {paper:.0f}</text></svg>'
    )


def _figure(sample: Sample) -> str:
    """A triple of the contact sheet: composite, mask, real photo."""
    pictures = (
        ("composite", sample.composite),
        ("mask", np.repeat(sample.mask[..., None], 3, -1)),
        ("real", sample.real),
    )
    images = "".join(
        f'<img alt="{what} of {html.escape(sample.id)}" src="{_data_uri(pixels)}">'
        for what, pixels in pictures
    )
    share = f"{100 * float(sample.mask.mean()):.0f}%"
    return f"<figure>{images}<figcaption>{html.escape(sample.id)} · {share}</figcaption></figure>"


def _data_uri(pixels: Floats) -> str:
    height, width = pixels.shape[:2]
    size = (max(1, min(3 * THUMBNAIL, round(width * THUMBNAIL / height))), THUMBNAIL)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    coded = to_uint8(np.asarray(small, np.float32))[..., ::-1]
    _, encoded = cv2.imencode(".jpg", coded, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(bytes(encoded)).decode("ascii")


_PAGE = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
:root { color-scheme: light dark; --ink: #1d2329; --soft: #66717c; --paper: #fff; --bar: #5b8fb9; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --soft: #98a3ad; --paper: #15191d; --bar: #6fa3cc; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
p { color: var(--soft); margin-top: .2rem; }
table { border-collapse: collapse; } th { text-align: left; font-weight: 500; }
th, td { padding: .3rem 1.5rem .3rem 0; border-bottom: 1px solid #8884; }
td { font-variant-numeric: tabular-nums; }
.plots { display: flex; flex-wrap: wrap; gap: 1.5rem; } .plots svg { flex: 1 1 420px; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
.bar { fill: var(--bar); } .axis { stroke: var(--soft); }
.mean { stroke: var(--ink); stroke-width: 2; }
.paper { stroke: #d0661f; stroke-width: 2; stroke-dasharray: 5 4; }
.sheet { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; } img { height: ${height}px; display: inline-block; margin-right: 2px; }
figcaption { font-size: 12px; color: var(--soft); }
</style>
</head>
<body>
<h1>$title</h1>
<p>$summary</p>
<table><thead><tr><th></th><th>this set</th><th>FFHQH, as the paper states</th></tr></thead>
<tbody>$table</tbody></table>
<h2>Figure 1: brightness and foreground</h2>
<div class="plots">$brightness$foreground</div>
<h2>Contact sheet: composite, mask, real photo</h2>
<div class="sheet">$sheet</div>
</body>
</html>
""".replace("${height}", str(THUMBNAIL))
)
