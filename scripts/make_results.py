"""What scripts/results runs: composites from photos, every method, one section of results.md."""

import argparse
import hashlib
import shlex
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from phnet.cli.evaluate import find_method
from phnet.datasets.benchmark_sets import (
    PHOTO_SUFFIXES,
    SEED,
    SETS,
    load_pair,
    make_set,
    make_triple,
    photos_with_masks,
)
from phnet.datasets.readers import read
from phnet.datasets.skin_tone import find_skin
from phnet.errors import PHNetError
from phnet.evaluation import skin_table
from phnet.evaluation import statistics as figures
from phnet.evaluation.baselines import METHODS
from phnet.evaluation.metrics import METRICS
from phnet.evaluation.score import Method, evaluate, predict
from phnet.files import write_text
from phnet.harmonization.harmonizer import Harmonizer
from phnet.images import load
from phnet.images.arrays import to_uint8

ROOT = Path(__file__).resolve().parents[1]
PORTRAITS = ROOT / "tests" / "portraits"
STATISTICS = ROOT / "weights" / "statistics.safetensors"  # recipes/statistics.toml
HEADINGS = {
    "mse": "MSE",
    "psnr": "PSNR",
    "fmse": "fMSE",
    "fpsnr": "fPSNR",
    "ssim": "SSIM",
    "delta_e": "ΔE2000",
}


@dataclass
class Watched:
    """A method that is handed floats, and whose results are looked at before they are rounded."""

    method: Method
    infinite: int = 0  # images with a value that is not finite
    changed: int = 0  # images with a background pixel that is not the composite's, bit for bit
    seen: int = 0

    def harmonize(self, composite: Any, mask: Any) -> Any:
        """Harmonize uint8 by way of floats."""
        floats = composite.astype(np.float32) / np.float32(255)
        result = self.method.harmonize(floats, mask)
        self.seen += 1
        self.infinite += not np.isfinite(result).all()
        self.changed += not np.array_equal(result[mask == 0], floats[mask == 0])
        return to_uint8(np.nan_to_num(result))


def identity(files: Sequence[tuple[Path, Path]]) -> str:
    """A sum that names the set: of the sums of its own photos and masks."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for pair in files
        for path in pair
    ]
    return f"SHA-256 of its files' sums `{hashlib.sha256(''.join(lines).encode()).hexdigest()}`"


@dataclass
class Half:
    """Half of what another method changes."""

    method: Method

    def harmonize(self, composite: Any, mask: Any) -> Any:
        """Harmonize floats (H, W, 3) in [0, 1] by a mask (H, W)."""
        result = (composite + self.method.harmonize(composite, mask)) / 2
        return np.where(np.asarray(mask)[..., None] > 0, result, composite).astype(np.float32)


def section(
    name: str,
    files: Sequence[tuple[Path, Path]],
    command: str,
    network: str,
    summary: dict[str, Any],
    watched: dict[str, Watched],
    milliseconds: dict[str, float],
    table: list[str],
) -> str:
    """The set's section, as Markdown; ``table`` is that of the four sets."""
    titles = {
        "default": f"**{network}**, light 0",
        "self-ensemble": "the same, with `--self-ensemble`",
        "composite": "untouched composite",
    }
    lines = [
        f"## {name}: {len(files)} photos",
        "",
        f"    {command}",
        "",
        f"Set: {identity(files)}. Composites at 256x256 by the paper's recipe "
        f"(section 3.2), seed [{SEED}, i] for the i-th id. Mean of per-image values with 95% "
        "bootstrap intervals, RGB in [0, 255], peak 255, fMSE by equation 16, masks binarized. "
        "Time: median of one image, one thread for the network.",
        "",
        "| method | " + " | ".join(HEADINGS[m] for m in METRICS) + " | ms |",
        "|---|" + "---|" * (len(METRICS) + 1),
    ]
    for method in summary["methods"]:
        name = method["name"]
        means, ends = method["subsets"]["ALL"], method["intervals"]["ALL"]
        cells = [figures.with_interval(m, means[m], ends[m]) for m in METRICS]
        time = "" if name == "composite" else f"{milliseconds[name]:.0f}"
        lines.append(f"| {titles.get(name, name)} | {' | '.join(cells)} | {time} |")
    lines += [
        "",
        *_comparison(summary),
        "",
        *table,
        "",
        *_checks(summary, titles),
        "",
        _promise(watched),
        "",
    ]
    return "\n".join(lines)


def _comparison(summary: dict[str, Any]) -> list[str]:
    found = [
        pair
        for pair in summary["paired"]
        if {pair["first"], pair["second"]} == {"default", "composite"}
    ]
    mse, psnr = found[0]["mse"], found[0]["psnr"]
    assert found[0]["first"] == "default"
    lines = [
        "Shipped weights against the untouched composite, image by image: MSE "
        f"{mse['difference']:+.2f} [{mse['interval'][0]:.2f}, {mse['interval'][1]:.2f}], PSNR "
        f"{psnr['difference']:+.2f} dB [{psnr['interval'][0]:.2f}, {psnr['interval'][1]:.2f}]; "
        f"better on {mse['better']:.0%} of the images"
    ]
    tested = "." if mse["p"] is None else f" (Wilcoxon's signed-rank test: p {mse['p']:.1g})."
    return [lines[0] + tested]


def _checks(summary: dict[str, Any], titles: dict[str, str]) -> list[str]:
    lines = [
        "| check without the true photo | detail kept | color step, before | after | clipped | "
        "MSE on untouched photos |",
        "|---|---|---|---|---|---|",
    ]
    for method in summary["methods"]:
        checks = method["checks"]
        lines.append(
            f"| {titles.get(method['name'], method['name'])} "
            f"| {checks['gradient_correlation']:.3f} | {checks['color_step_before']:.1f} "
            f"| {checks['color_step']:.1f} | {checks['clipped']:.2%} "
            f"| {checks['untouched_mse']:.2f} |"
        )
    return lines


def _promise(watched: dict[str, Watched]) -> str:
    seen = sum(w.seen for w in watched.values())
    infinite = sum(w.infinite for w in watched.values())
    changed = sum(w.changed for w in watched.values())
    if not infinite and not changed:
        return (
            f"Every one of the {seen} results (composites and untouched photos, all methods) is "
            "finite, and every background pixel is the composite's, bit for bit."
        )
    return f"**Of {seen} results {infinite} are not finite and {changed} change the background.**"


@dataclass
class OnSet:
    """What the methods did on one of the four sets."""

    before: list[float]  # MSE of the untouched composites
    errors: dict[str, list[float]]  # MSE of each method
    skins: dict[str, list[list[float]]]  # rows of phnet.evaluation.skin_table


def on_set(
    kind: str,
    files: Sequence[tuple[Path, Path]],
    scenes: Sequence[Path],
    methods: dict[str, Method],
) -> OnSet:
    """Every method on every image of a set."""
    found = OnSet([], {name: [] for name in methods}, {name: [] for name in methods})
    for i, (photo_path, mask_path) in enumerate(files):
        photo, mask = load_pair(photo_path, mask_path)
        scene = to_uint8(load(scenes[i % len(scenes)]).rgb) if scenes else None
        composite, hard, real = make_triple(kind, photo, mask, scene, [SEED, i])
        # tones are those of the photo as it was taken, also where it was put into another light
        taken = real if kind == "own-size" else make_triple("nothing", photo, mask, None, [0])[0]
        skin = find_skin(taken, hard / 255)
        found.before.append(_mse(composite, real))
        for name, method in methods.items():
            floats = composite.astype(np.float32) / np.float32(255)
            result = to_uint8(np.nan_to_num(method.harmonize(floats, hard)))
            found.errors[name].append(_mse(result, real))
            found.skins[name].append(skin_table.measure(result, composite, real, skin))
    print(f"{kind}: {len(files)} images", flush=True)
    return found


def four_sets(
    files: Sequence[tuple[Path, Path]], scenes: Sequence[Path], methods: dict[str, Method]
) -> list[str]:
    """Every method on the four sets of :mod:`phnet.datasets.benchmark_sets`, as Markdown."""
    found = {kind: on_set(kind, files, scenes, methods) for kind in SETS}
    lines = [
        "On four sets (`phnet data sets` writes them): mean MSE with its 95% bootstrap interval, "
        "and in brackets its share of the untouched composites', the PSNR gained, mean of "
        "per-image values, and the p of Wilcoxon's signed-rank test against the untouched "
        "composites. `nothing` are photos that need no change.",
        "",
        "| method | " + " | ".join(SETS) + " |",
        "|---|" + "---|" * len(SETS),
    ]
    for name in methods:
        row = [_cell(kind, on.before, on.errors[name]) for kind, on in found.items()]
        lines.append(f"| {name} | {' | '.join(row)} |")
    return [*lines, "", *skin_lines(found, [n for n in methods if "**" in n or n == "composite"])]


def _cell(kind: str, before: Sequence[float], errors: Sequence[float]) -> str:
    mean = float(np.mean(errors))
    low, high = figures.intervals(np.array(errors)[:, None])[:, 0]
    cell = f"{mean:.1f} [{low:.1f}, {high:.1f}]"
    if kind == "nothing":
        return cell
    untouched = np.maximum(before, 1e-3)
    gain = float(np.mean(10 * np.log10(untouched / np.maximum(errors, 1e-3))))
    p = figures.signed_rank(np.array(errors) - np.array(before))
    tested = "" if p is None or p == 1 else f", p {p:.1g}"
    return f"{cell} ({mean / np.mean(before):.3f}, {gain:+.2f} dB{tested})"


def skin_lines(found: dict[str, OnSet], names: Sequence[str]) -> list[str]:
    """The networks on skin of three tones, as Markdown."""
    lines = [
        "By skin tone (individual typology angle of the face's skin in the photo as taken: "
        "`phnet/datasets/skin_tone.py` says how it is found, and what that cannot do): mean luma "
        "of the skin, result less composite and result less true photo with its 95% interval, in "
        "gray levels, and MSE on the skin.",
        "",
        "| set | method | tone | " + " | ".join(skin_table.HEADS) + " |",
        "|---|---|---|" + "---|" * len(skin_table.HEADS),
    ]
    for kind, on in found.items():
        for name in names:
            for tone, values in skin_table.by_tone(np.array(on.skins[name])).items():
                cells = " | ".join(skin_table.cells(values))
                lines.append(f"| {kind} | {name} | {tone} | {cells} |")
    return lines


def _mse(one: Any, other: Any) -> float:
    return float(np.square(one.astype(np.float64) - other).mean())


def replace_section(text: str, name: str, body: str) -> str:
    """Put the section of a set in place of its former one, or at the end."""
    start, end = f"<!-- results {name} -->", f"<!-- end {name} -->"
    block = f"{start}\n{body}{end}\n"
    if start not in text or end not in text:
        return text.rstrip("\n") + f"\n\n{block}"
    before, rest = text.split(start, 1)
    after = rest.split(end, 1)[1].removeprefix("\n")
    return before + block + after


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 2 on bad input, 1 when a promise is broken."""
    parser = argparse.ArgumentParser(prog="scripts/results", description=__doc__)
    parser.add_argument("--photos", type=Path, default=PORTRAITS, help="ID.jpg with masks ID.png")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "results.md")
    parser.add_argument("--scenes", type=Path, help="backgrounds for pastes under foreign light")
    parser.add_argument("--html", type=Path, help="also write the report as a page")
    parser.add_argument("--model", help="another network than the shipped one")
    parser.add_argument(
        "--statistics", type=Path, default=STATISTICS, help="weights of the statistics' map alone"
    )
    parser.add_argument("--methods", nargs="*", default=list(METHODS), help="beside the network")
    parser.add_argument("--section", help="its name, where it is not the folder's")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except PHNetError as error:
        print(f"phnet: {error}", file=sys.stderr)
        return 2


def command_of(options: argparse.Namespace) -> str:
    """The command that gives the same section."""
    words = ["scripts/results"]
    if options.photos != PORTRAITS:
        words += ["--photos", str(options.photos)]
    if options.scenes:
        words += ["--scenes", str(options.scenes)]
    if options.model:
        words += ["--model", options.model]
    if options.statistics != STATISTICS:
        words += ["--statistics", str(options.statistics)]
    if options.methods != list(METHODS):
        words += ["--methods", *options.methods]
    words += ["--section", options.section] if options.section else []
    return shlex.join(words)


def _table(
    options: argparse.Namespace, files: Sequence[tuple[Path, Path]], network: Harmonizer
) -> list[str]:
    """The four sets' table: the network at three lights, the classical methods whole and half."""
    methods: dict[str, Method] = {}
    if network.takes_light:
        lights = {0.0: "", network.card.light: ", the default", 1.0: ""}
        for light, note in lights.items():
            methods[f"**network, light {light:g}**{note}"] = Harmonizer(
                options.model, 1, light=light
            )
        for light in lights:
            alone = find_method(str(options.statistics), 1)
            assert isinstance(alone, Harmonizer)
            alone.light = light
            methods[f"statistics' map alone, light {light:g}"] = alone
    else:
        methods["**network**"] = network
    for name in options.methods:
        found = find_method(name, 1)
        methods |= {name: found, f"{name}, half": Half(found)}
    scenes = []
    if options.scenes:
        scenes = [p for p in sorted(options.scenes.iterdir()) if p.suffix.lower() in PHOTO_SUFFIXES]
        digit = {"val": "8", "test": "9"}.get(options.photos.name, "9")
        scenes = [p for p in scenes if p.stem.endswith(digit)] or scenes
    return four_sets(files, scenes, methods)


def _run(options: argparse.Namespace) -> int:
    files = photos_with_masks(options.photos)
    folder = options.photos.resolve()
    network = Harmonizer(options.model, 1)
    light = 0.0 if network.takes_light else None  # the paper's task
    chosen: dict[str, Method] = {
        "default": Harmonizer(options.model, 1, light=light),
        "self-ensemble": Harmonizer(options.model, 1, light=light, self_ensemble=True),
    }
    chosen |= {
        name: find_method(name, 1) for name in dict.fromkeys([*options.methods, "composite"])
    }
    watched = {name: Watched(method) for name, method in chosen.items()}
    milliseconds = {}
    with tempfile.TemporaryDirectory() as place:
        tree, predictions = Path(place, folder.name), Path(place, "predictions")
        make_set("paper", files, [], tree)
        samples = read(tree, "test")
        for name, method in watched.items():
            seconds = predict(samples, method, predictions / name)
            milliseconds[name] = 1000 * statistics.median(seconds)
            predict(samples, method, predictions / name, untouched=True)
            print(f"{name}: {len(samples)} images, {milliseconds[name]:.1f} ms", flush=True)
        scored = evaluate(samples, [predictions / name for name in watched])
        summary = figures.summary(scored)
        if options.html:
            from phnet.evaluation.report import page

            write_text(options.html, page(samples, scored, "paper", folder.name))
    table = _table(options, files, network)
    card = network.card.about.get("parameters")
    sum_ = hashlib.sha256(network.path.read_bytes()).hexdigest()[:12]
    title = f"PHNet {network.card.name}"
    title += f" ({card / 1e6:.2f}M, {sum_})" if card else f" ({sum_})"
    name = options.section or folder.name
    body = section(name, files, command_of(options), title, summary, watched, milliseconds, table)
    old = options.output.read_text(encoding="utf-8") if options.output.is_file() else "# Results\n"
    write_text(options.output, replace_section(old, name, body))
    print(f"{options.output}: section {name}")
    return int(any(w.infinite or w.changed for w in watched.values()))


if __name__ == "__main__":
    sys.exit(main())
