"""The report, its examples, and the paper's own numbers."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from phnet.datasets.readers import read
from phnet.evaluation import (
    paper_tables,
    report,
    report_examples,
    score,
)
from tests.evaluation.conftest import IHARMONY4
from tests.evaluation.test_score import scored


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.rows: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in ("img", "script", "link", "iframe"):
            self.sources.append(found.get("src") or found.get("href") or "")
        if tag == "tr":
            self.rows.append((found.get("class") or "", []))

    def handle_data(self, text: str) -> None:
        if self.rows and text.strip():
            self.rows[-1][1].append(text.strip())


def test_report_needs_no_other_file_and_marks_what_is_published(predictions: Path) -> None:
    samples = read(IHARMONY4, "test")
    methods = score.evaluate(samples, [predictions / "half", predictions / "composite"])
    text = report.page(samples, methods, "paper", "fixture <test>")
    made = Page()
    made.feed(text)
    pictures = [s for s in made.sources if s]
    assert pictures
    assert all(source.startswith("data:image/jpeg;base64,") for source in pictures)
    assert "<test>" not in text
    kinds = {kind: [cells for k, cells in made.rows if k == kind] for kind, _ in made.rows}
    assert any(c[:3] == ["PHNet", "published", "35.84"] for c in kinds["published"])
    mean = f"{methods[0].scores[:, 0].mean():.2f}"
    assert any(c[0] == "half" and mean in c for c in kinds["measured"])
    for note in paper_tables.notes(paper_tables.load()):
        assert note.replace("'", "&#x27;") in text


def test_examples_are_the_worst_the_median_and_the_failures() -> None:
    n = 30
    error = np.arange(n, dtype=float)
    scores = np.stack([error] * 6, 1)
    common = {"ids": [str(i) for i in range(n)], "subsets": ["FFHQH"] * n}
    shares, lumas = np.linspace(1, 0, n), np.roll(np.linspace(0, 200, n), 10)
    found = report_examples.chosen(scored(scores=scores, shares=shares, lumas=lumas, **common))
    assert list(found.values()) == [[29, 28], [14, 15], [0, 1], [29, 28], [12, 11]]


def test_published_tables_are_whole() -> None:
    paper = paper_tables.load()
    tables = [paper[f"table{i}"]["methods"] for i in (3, 4, 5)]
    assert [len(t) for t in tables] == [13, 13, 13]
    assert len({row["name"] for table in tables for row in table}) == 15
    assert sum(paper["table5"]["sizes"].values()) == sum(paper["iharmony4"]["sizes"].values())
    # every method's subsets, weighted, give its ALL; only RainNet has no MSE, and PHNet's differ
    sizes = paper["iharmony4"]["sizes"]
    off = {}
    for row in paper["table4"]["methods"]:
        mean = paper_tables.weighted(sizes, {name: row[name]["psnr"] for name in sizes})
        off[row["name"]] = abs(mean - row["ALL"]["psnr"])
    assert max(off, key=lambda name: off[name]) == "PHNet"


def test_pctnets_averages_are_quoted_with_their_source() -> None:
    quoted = paper_tables.load()["pctnet"]
    assert "quoted, not regenerated" in quoted["source"]
    assert sum(quoted["bands"].values()) == quoted["images"] == 7404
    figures = {row["name"]: (row["psnr"], row["mse"], row["fmse"]) for row in quoted["methods"]}
    assert figures["composite"] == (31.39, 177.99, 1462.45)
    assert figures["PCT-Net ViT"] == (39.29, 18.84, 237.49)
    assert len(figures) == 5


def test_what_does_not_add_up_is_arithmetic() -> None:
    paper = paper_tables.load()
    notes = " ".join(paper_tables.notes(paper))
    bands = (6.16 * 3830 + 16.31 * 1955 + 39.72 * 1619) / 7404
    assert bands == pytest.approx(16.18, abs=0.005)
    psnr = (38.70 * 4283 + 39.98 * 2160 + 37.58 * 828 + 40.02 * 133) / 7404
    mse = (14.22 * 4283 + 10.62 * 2160 + 34.66 * 828 + 12.70 * 133) / 7404
    assert psnr == pytest.approx(38.97, abs=0.005)
    assert mse == pytest.approx(15.43, abs=0.005)
    for number in ("16.18", "38.97", "15.43", "35.84, 18.24", "37.41, 24.22", "24.44"):
        assert number in notes
    # mean fPSNR is at least the fPSNR of the mean fMSE: true of every row but the paper's own
    for row in paper["table3"]["methods"]:
        possible = row["fpsnr"] >= paper_tables.least_fpsnr(row["fmse"])
        assert possible == (row["name"] != "PHNet")
    by_size = {row["size"]: row for row in paper["table2"]["resolutions"]}
    best = max(paper["table1"]["setups"], key=lambda row: row["psnr"])
    assert (best["psnr"], best["mse"]) == (
        by_size[512]["iharmony4_psnr"],
        by_size[512]["iharmony4_mse"],
    )
