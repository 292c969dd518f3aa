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

import cv2
import numpy as np

from phnet.cli.evaluate import find_method
from phnet.datasets.readers import SUFFIXES, read
from phnet.datasets.synthesis import make_composite
from phnet.errors import BadData, PHNetError
from phnet.evaluation import statistics as figures
from phnet.evaluation.baselines import METHODS
from phnet.evaluation.metrics import METRICS
from phnet.evaluation.score import Method, evaluate, predict, to_bytes
from phnet.files import write_text
from phnet.harmonization.harmonizer import Harmonizer
from phnet.images import load, load_mask

ROOT = Path(__file__).resolve().parents[1]
PORTRAITS = ROOT / "tests" / "portraits"
SIZE = 256
SEED = 2024  # composite i of a set has the seed [SEED, i], as validation images do in training
HEADINGS = {"mse": "MSE", "psnr": "PSNR", "fmse": "fMSE", "fpsnr": "fPSNR", "ssim": "SSIM"}


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
        return to_bytes(np.nan_to_num(result))


def pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Photos with masks: ID.jpg (or another kind) and ID.png, in the order of their ids."""
    if not folder.is_dir():
        raise BadData(f"{folder}: expected a folder of photos, found none")
    kinds = SUFFIXES - {".png"}
    photos = [p for p in sorted(folder.iterdir()) if p.suffix.lower() in kinds]
    found = [(p, p.with_suffix(".png")) for p in photos if p.with_suffix(".png").is_file()]
    if not found:
        raise BadData(f"{folder}: expected photos ID.jpg with masks ID.png, found none")
    return sorted(found, key=lambda pair: pair[0].stem)


def identity(folder: Path, files: Sequence[tuple[Path, Path]]) -> str:
    """A sum that names the set: of its manifest, or of the sums of its files."""
    for place in (folder, folder.parent):
        if (place / "manifest.csv").is_file():
            sum_ = hashlib.sha256((place / "manifest.csv").read_bytes()).hexdigest()
            return f"SHA-256 of its manifest.csv `{sum_}`"
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for pair in files
        for path in pair
    ]
    return f"SHA-256 of its files' sums `{hashlib.sha256(''.join(lines).encode()).hexdigest()}`"


def make_tree(files: Sequence[tuple[Path, Path]], tree: Path) -> None:
    """Write composites, masks and photos at SIZE in FFHQH's layout, lossless."""
    for name in ("comp", "alpha", "real"):
        (tree / name).mkdir(parents=True)
    for i, (photo_path, mask_path) in enumerate(files):
        photo = _small(to_bytes(load(photo_path).rgb))
        mask = _small(to_bytes(load_mask(mask_path)))
        made = make_composite(photo, mask, [SEED, i])
        name = f"{photo_path.stem}.png"
        cv2.imwrite(str(tree / "comp" / name), made.image[..., ::-1])
        cv2.imwrite(str(tree / "real" / name), photo[..., ::-1])
        cv2.imwrite(str(tree / "alpha" / name), made.mask.astype(np.uint8) * 255)
    names = "".join(f"{photo.stem}.png\n" for photo, _ in files)
    (tree / "test_split.txt").write_text(names, encoding="utf-8")


def _small(pixels: Any) -> Any:
    return cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def section(
    folder: Path,
    files: Sequence[tuple[Path, Path]],
    command: str,
    network: str,
    summary: dict[str, Any],
    watched: dict[str, Watched],
    milliseconds: dict[str, float],
) -> str:
    """The set's section, as Markdown."""
    titles = {
        "default": f"**{network}**",
        "self-ensemble": "the same, with `--self-ensemble`",
        "composite": "untouched composite",
    }
    lines = [
        f"## {folder.name}: {len(files)} photos",
        "",
        f"    {command}",
        "",
        f"Set: {identity(folder, files)}. Composites at {SIZE}x{SIZE} by the paper's recipe "
        f"(section 3.2), seed [{SEED}, i] for the i-th id. Mean of per-image values with 95% "
        "bootstrap intervals, RGB in [0, 255], peak 255, fMSE by equation 16, masks binarised. "
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
    lines += ["", *_comparison(summary), "", *_checks(summary, titles), "", _promise(watched), ""]
    return "\n".join(lines)


def _comparison(summary: dict[str, Any]) -> list[str]:
    found = [
        pair
        for pair in summary["paired"]
        if {pair["first"], pair["second"]} == {"default", "composite"}
    ]
    mse, psnr = found[0]["mse"], found[0]["psnr"]
    assert found[0]["first"] == "default"
    return [
        "Shipped weights against the untouched composite, image by image: MSE "
        f"{mse['difference']:+.2f} [{mse['interval'][0]:.2f}, {mse['interval'][1]:.2f}], PSNR "
        f"{psnr['difference']:+.2f} dB [{psnr['interval'][0]:.2f}, {psnr['interval'][1]:.2f}]; "
        f"better on {mse['better']:.0%} of the images."
    ]


def _checks(summary: dict[str, Any], titles: dict[str, str]) -> list[str]:
    lines = [
        "| check without the true photo | detail kept | colour step, before | after | clipped | "
        "MSE on untouched photos |",
        "|---|---|---|---|---|---|",
    ]
    for method in summary["methods"]:
        checks = method["checks"]
        lines.append(
            f"| {titles.get(method['name'], method['name'])} "
            f"| {checks['gradient_correlation']:.3f} | {checks['colour_step_before']:.1f} "
            f"| {checks['colour_step']:.1f} | {checks['clipped']:.2%} "
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
    parser.add_argument("--html", type=Path, help="also write the report as a page")
    parser.add_argument("--model", help="another network than the shipped one")
    parser.add_argument("--methods", nargs="*", default=list(METHODS), help="beside the network")
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
    if options.model:
        words += ["--model", options.model]
    if options.methods != list(METHODS):
        words += ["--methods", *options.methods]
    return shlex.join(words)


def _run(options: argparse.Namespace) -> int:
    files = pairs(options.photos)
    folder = options.photos.resolve()
    network = Harmonizer(options.model, 1)
    twice = Harmonizer(options.model, 1, self_ensemble=True)
    chosen: dict[str, Method] = {"default": network, "self-ensemble": twice}
    chosen |= {
        name: find_method(name, 1) for name in dict.fromkeys([*options.methods, "composite"])
    }
    watched = {name: Watched(method) for name, method in chosen.items()}
    milliseconds = {}
    with tempfile.TemporaryDirectory() as place:
        tree, predictions = Path(place, folder.name), Path(place, "predictions")
        make_tree(files, tree)
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

            write_text(options.html, page(samples, scored, "default", folder.name))
    card = network.card.about.get("parameters")
    sum_ = hashlib.sha256(network.path.read_bytes()).hexdigest()[:12]
    title = f"PHNet {network.card.name}"
    title += f" ({card / 1e6:.2f}M, {sum_})" if card else f" ({sum_})"
    body = section(folder, files, command_of(options), title, summary, watched, milliseconds)
    old = options.output.read_text(encoding="utf-8") if options.output.is_file() else "# Results\n"
    write_text(options.output, replace_section(old, folder.name, body))
    print(f"{options.output}: section {folder.name}")
    return int(any(w.infinite or w.changed for w in watched.values()))


if __name__ == "__main__":
    sys.exit(main())
