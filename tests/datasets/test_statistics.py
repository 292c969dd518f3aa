"""``phnet data stats``: figures worked by hand, and a page that needs no other file."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from phnet.datasets.statistics import FOREGROUND_EDGES, histogram, measure, page

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two photos of one color each, masks of a quarter and of three quarters."""
    root = tmp_path / "a <b> & c"
    for part in ("real", "comp", "alpha"):
        (root / part).mkdir(parents=True)
    for name, color, rows in (("one", (255, 0, 51), 2), ("two", (51, 102, 153), 6)):
        Image.new("RGB", (10, 8), color).save(root / "real" / f"{name}.png")
        Image.new("RGB", (10, 8), (9, 9, 9)).save(root / "comp" / f"{name}.png")
        mask = np.zeros((8, 10), np.uint8)
        mask[:rows] = 255
        Image.fromarray(mask).save(root / "alpha" / f"{name}.png")
    (root / "train_split.txt").write_text("one.png\n")
    (root / "test_split.txt").write_text("two.png\n")
    return root


def test_figures_are_those_worked_by_hand(tree: Path) -> None:
    found = measure(tree)
    assert found.splits == {"train": 1, "test": 1}
    np.testing.assert_allclose(found.foreground, [0.25, 0.75])
    luma = [0.299 * 255 + 0.114 * 51, 0.299 * 51 + 0.587 * 102 + 0.114 * 153]
    np.testing.assert_allclose(found.brightness, luma, rtol=1e-5)
    np.testing.assert_allclose(found.means, [0.6, 0.2, 0.4], rtol=1e-5)
    # Of two equally large photos a and b: half their distance.
    np.testing.assert_allclose(found.deviations, [0.4, 0.2, 0.2], rtol=1e-4)


def test_a_photo_with_several_composites_counts_once() -> None:
    found = measure(ROOT / "tests" / "fixtures" / "iharmony4")
    assert len(found.foreground) == 9
    assert len(found.brightness) == 8
    assert found.layout == "iHarmony4"


class _Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_no_other_file(tree: Path) -> None:
    text = page(measure(tree), tree.name)
    outline = _Outline()
    outline.feed(text)
    assert outline.open == []
    assert len(outline.links) == 6
    assert all(link.startswith("data:image/jpeg;base64,") for link in outline.links)
    assert "url(" not in text
    assert "<title>a &lt;b&gt; &amp; c</title>" in text
    row = re.search(r"Channel means R, G, B</th><td>(.*?)</td><td>(.*?)</td>", text)
    assert row is not None
    assert row.groups() == ("0.60, 0.20, 0.40", "0.51, 0.42, 0.37")
    assert "<td>50.0%</td><td>70%</td>" in text


def test_bars_are_as_high_as_their_counts() -> None:
    counts = np.zeros(25, np.int64)
    counts[[3, 10]] = 4, 8
    svg = histogram(counts, FOREGROUND_EDGES, 30.0, 70.0, "share")
    heights = [float(h) for h in re.findall(r'class="bar"[^>]*? height="([\d.]+)"', svg)]
    assert len(heights) == 25
    assert heights[3] == pytest.approx(heights[10] / 2, abs=0.1)
    assert sum(heights) == pytest.approx(heights[3] + heights[10])
    assert "<title>12 to 16: 4</title>" in svg


def test_the_command_writes_the_page(tree: Path, tmp_path: Path) -> None:
    output = tmp_path / "stats.html"
    done = subprocess.run(
        [sys.executable, "-m", "phnet", "data", "stats", str(tree), "-o", str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{output}: 2 composites, brightness 87.3, foreground 50.0%\n"
    assert output.read_text(encoding="utf-8").count("<figure>") == 2
