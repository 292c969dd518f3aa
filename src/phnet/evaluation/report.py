"""The report: measured figures beside the paper's, examples, failures; one page of its own."""

import html
import statistics
import time
from collections.abc import Iterable, Sequence
from importlib import resources
from string import Template
from typing import Any

import numpy as np

from phnet.datasets.readers import SUBSETS, Sample
from phnet.evaluation import paper_tables, protocols, report_examples
from phnet.evaluation.metrics import METRICS
from phnet.evaluation.statistics import BANDS, Scored, summary, with_interval
from phnet.images.arrays import to_uint8

UNTOUCHED = "composite"  # the method that changes nothing: it has no examples of its own
MISSING = "-"
SHOWN = ("size", "interpolation", "mask", "depth", "peak", "fmse_equation")  # of a protocol
TITLES = {
    "mse": "MSE ↓",
    "psnr": "PSNR ↑",
    "fmse": "fMSE ↓",
    "fpsnr": "fPSNR ↑",
    "ssim": "SSIM ↑",
    "delta_e": "ΔE2000 ↓",
}
CHECK_TITLES = {
    "gradient_correlation": "detail kept ↑",
    "color_step_before": "color step before",
    "color_step": "color step after",
    "clipped": "clipped ↓",
    "untouched_mse": "MSE on untouched photos ↓",
    "images_with_background_changed": "images with background changed ↓",
}


def page(samples: Sequence[Sample], methods: Sequence[Scored], protocol: str, name: str) -> str:
    """The report as an HTML page that needs no other file.

    Args:
        samples: of the evaluation.
        methods: what :func:`phnet.evaluation.score.evaluate` gave.
        protocol: the name that it was given.
        name: of the set, for the headings.
    """
    paper, measured = paper_tables.load(), summary(methods)
    by_id = {sample.id: sample for sample in samples}
    samples = [by_id[name] for name in methods[0].ids]  # those that have scores
    rule = protocols.find(protocol, samples[0].size).about()
    own = own_facts(samples[0])
    parts = [
        _section("Measured", _measured(measured["methods"])),
        _section("Differences on the same images", _paired(measured["paired"])),
        _section("Portrait checks, which need no true photo", _checks(measured["methods"])),
        _section("Table 3: FFHQH", _table3(paper, measured["methods"], name)),
        _section("Table 4: iHarmony4 by subset", _table4(paper, measured["methods"], name)),
        _section("iHarmony4 at full size, from PCT-Net's figures", _pctnet(paper)),
        _section("Table 5: by the foreground's share", _table5(paper, measured["methods"], name)),
        _section("Tables 1 and 2, size and speed", _tables12(paper) + _facts(paper, own)),
        _section("What does not add up in the paper", _notes(paper)),
        *(
            _section(f"Examples: {method.name}", report_examples.examples(samples, method, i == 0))
            for i, method in enumerate(m for m in methods if m.name != UNTOUCHED)
        ),
    ]
    return _template().substitute(
        title=html.escape(f"Evaluation on {name}"),
        summary=html.escape(
            f"{len(samples):,} composites; protocol {protocol} ("
            + ", ".join(f"{key} {value}" for key, value in rule.items() if key in SHOWN)
            + "); means of per-image values, RGB in [0, 255]; in brackets 95% bootstrap intervals; "
            "p of Wilcoxon's signed-rank test."
            + "".join(f" Left out: {why}." for _, why in methods[0].failed)
        ),
        source=html.escape(paper["source"]),
        body="".join(parts),
        height=report_examples.PICTURE,
    )


def _template() -> Template:
    return Template(
        (resources.files("phnet.evaluation") / "report.html").read_text(encoding="utf-8")
    )


def own_facts(sample: Sample, repeats: int = 5) -> dict[str, float]:
    """Parameters, megabytes and images a second (one thread) of the shipped network."""
    from phnet.harmonization.harmonizer import Harmonizer

    harmonizer = Harmonizer(threads=1)
    pixels, mask = to_uint8(sample.composite), sample.mask
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        harmonizer.harmonize(pixels, mask)
        seconds.append(time.perf_counter() - start)
    return {
        "parameters": float(harmonizer.card.about.get("parameters", np.nan)),
        "megabytes": harmonizer.path.stat().st_size / 1e6,
        "fps_cpu_thread": 1 / statistics.median(seconds[1:]),
        "height": float(mask.shape[0]),
        "width": float(mask.shape[1]),
    }


# -- tables -------------------------------------------------------------------------------


def _section(title: str, body: str) -> str:
    return f"<section><h2>{html.escape(title)}</h2>{body}</section>"


def _table(heads: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    """A sortable table of (class of the row, cells)."""
    head = "".join(f"<th><button>{html.escape(text)}</button></th>" for text in heads)
    body = "".join(
        f'<tr class="{kind}">' + "".join(f"<td>{html.escape(c)}</td>" for c in cells) + "</tr>"
        for kind, cells in rows
    )
    inside = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="wide"><table>{inside}</table></div>'


def _number(value: Any, digits: int = 2) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"


def _measured(methods: list[dict[str, Any]]) -> str:
    rows = []
    for method in methods:
        names = list(method["subsets"])
        for subset in names[:1] if len(names) == 2 else names:
            means, ends = method["subsets"][subset], method["intervals"][subset]
            cells = [with_interval(m, means[m], ends[m]) for m in METRICS]
            size = str(method["subset_n"][subset])
            facts = [_number(method["milliseconds"], 1), _number(method["parameters"], 0)]
            rows.append(("measured", [method["name"], subset, size, *cells, *facts]))
    return _table(["method", "subset", "n", *TITLES.values(), "ms", "parameters"], rows)


def _paired(pairs: list[dict[str, Any]]) -> str:
    if not pairs:
        return "<p>Only one method was handed in.</p>"
    rows = []
    for pair in pairs:
        cells = []
        for metric in METRICS:
            found = pair[metric]
            cells += [
                with_interval(metric, found["difference"], found["interval"]),
                f"{found['better']:.0%}",
                MISSING if found["p"] is None else f"{found['p']:.2g}",
            ]
        rows.append(("measured", [pair["first"], pair["second"], *cells]))
    heads = [h for metric in METRICS for h in (metric, "better", "p")]
    return "<p>First minus second, and on how many images the first is better.</p>" + _table(
        ["first", "second", *heads], rows
    )


def _checks(methods: list[dict[str, Any]]) -> str:
    rows = []
    for method in methods:
        found = method["checks"]
        cells = [_number(found[name], 3 if "grad" in name else 2) for name in CHECK_TITLES]
        cells[3] = MISSING if found["clipped"] is None else f"{found['clipped']:.2%}"
        cells[-1] = str(found["images_with_background_changed"])
        rows.append(("measured", [method["name"], *cells]))
    return (
        "<p>Detail kept: correlation of gradients with the composite's under the mask. Color "
        "step: mean difference across the mask's edge, in gray levels; a real photo has one, too. "
        "Clipped: values of the foreground that became 0 or 255. Untouched photos, handed in "
        "instead of composites, should come back as they are (an option of "
        "<code>phnet predict</code>).</p>" + _table(["method", *CHECK_TITLES.values()], rows)
    )


def _mixed(
    heads: Sequence[str],
    methods: Sequence[dict[str, Any]],
    measured: Sequence[dict[str, Any]],
    published_cells: Any,
    measured_cells: Any,
    name: str,
) -> str:
    """Published rows and measured rows in one table, each marked."""
    rows = [("published", [m["name"], "published", *published_cells(m)]) for m in methods]
    rows += [("measured", [m["name"], f"measured on {name}", *measured_cells(m)]) for m in measured]
    return _table(["method", "source", *heads], rows)


def _table3(paper: dict[str, Any], measured: list[dict[str, Any]], name: str) -> str:
    metrics = ["psnr", "mse", "fpsnr", "fmse"]
    own = [m for m in measured if not set(m["subsets"]) & set(SUBSETS)]
    return (
        "<p>Published: the test split of the authors' FFHQH, 5,000 composites at 256. A measured "
        "row is on the set it names; only on the same set are the two comparable.</p>"
        + _mixed(
            [TITLES[m] for m in metrics],
            paper["table3"]["methods"],
            own,
            lambda row: [_number(row[m]) for m in metrics],
            lambda row: [_number(row["subsets"]["ALL"][m]) for m in metrics],
            name,
        )
    )


def _table4(paper: dict[str, Any], measured: list[dict[str, Any]], name: str) -> str:
    names = ["ALL", "HCOCO", "HAdobe5k", "Hday2night", "HFlickr"]
    own = [m for m in measured if set(m["subsets"]) & set(SUBSETS)]

    def cells(subsets: dict[str, Any]) -> list[str]:
        found = [subsets.get(n, {}) for n in names]
        return [_number(f.get(metric)) for f in found for metric in ("psnr", "mse")]

    return _mixed(
        [f"{n} {TITLES[metric]}" for n in names for metric in ("psnr", "mse")],
        paper["table4"]["methods"],
        own,
        cells,
        lambda row: cells(row["subsets"]),
        name,
    )


def _pctnet(paper: dict[str, Any]) -> str:
    quoted = paper["pctnet"]
    metrics = ["psnr", "mse", "fmse"]
    rows = [
        ("published", [m["name"], "quoted", *(_number(m[metric]) for metric in metrics)])
        for m in quoted["methods"]
    ]
    bands = ", ".join(f"{band}%: {n:,}" for band, n in quoted["bands"].items())
    return (
        f"<p>{html.escape(quoted['source'])}. {quoted['images']:,} images; by the foreground's "
        f"share {bands}.</p>" + _table(["method", "source", *(TITLES[m] for m in metrics)], rows)
    )


def _table5(paper: dict[str, Any], measured: list[dict[str, Any]], name: str) -> str:
    def cells(bands: dict[str, Any]) -> list[str]:
        return [_number(bands[b][metric]) for b in BANDS for metric in ("mse", "fmse")]

    sizes = ", ".join(f"{b}%: {n:,}" for b, n in paper["table5"]["sizes"].items())
    own = ", ".join(f"{b}%: {measured[0]['ratio_bands'][b]['n']:,}" for b in BANDS)
    return f"<p>Composites: published {sizes}; {html.escape(name)} {own}.</p>" + _mixed(
        [f"{b}% {TITLES[metric]}" for b in BANDS for metric in ("mse", "fmse")],
        paper["table5"]["methods"],
        measured,
        cells,
        lambda row: cells(row["ratio_bands"]),
        name,
    )


def _tables12(paper: dict[str, Any]) -> str:
    rows = [
        ("published", [r["setup"], _number(r["psnr"]), _number(r["mse"])])
        for r in paper["table1"]["setups"]
    ]
    first = _table(["PN blocks in", TITLES["psnr"], TITLES["mse"]], rows)
    keys = ["iharmony4_psnr", "iharmony4_mse", "ffhqh_psnr", "ffhqh_mse"]
    rows = [
        ("published", [str(r["size"]), *(_number(r[k]) for k in keys)])
        for r in paper["table2"]["resolutions"]
    ]
    heads = [f"{a} {TITLES[b]}" for a in ("iHarmony4", "FFHQH") for b in ("psnr", "mse")]
    return f"<h3>Table 1, published</h3>{first}<h3>Table 2, published</h3>" + _table(
        ["resolution", *heads], rows
    )


def _facts(paper: dict[str, Any], own: dict[str, float]) -> str:
    model = paper["model"]
    size = f"{own['width']:.0f}x{own['height']:.0f}"
    rows = [
        (
            "published",
            [
                "PHNet",
                f"{model['parameters'] / 1e6:.1f}M",
                f"{model['megabytes']:.0f}",
                f"{model['fps_cpu_thread']:.2f} (Intel H470)",
                f"{model['fps_gpu']:.2f} (V100)",
            ],
        ),
        (
            "measured",
            [
                "the network inside this package",
                MISSING if np.isnan(own["parameters"]) else f"{own['parameters'] / 1e6:.2f}M",
                f"{own['megabytes']:.1f}",
                f"{own['fps_cpu_thread']:.1f} (this machine, {size}, with lift)",
                f"{MISSING} (not measured)",
            ],
        ),
    ]
    heads = ["network", "parameters", "MB", "FPS, one CPU thread", "FPS, one GPU"]
    return "<h3>Size and speed</h3>" + _table(heads, rows)


def _notes(paper: dict[str, Any]) -> str:
    items = "".join(f"<li>{html.escape(note)}</li>" for note in paper_tables.notes(paper))
    return f"<ol>{items}</ol>"
