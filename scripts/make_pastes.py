"""Sheets of people pasted into clearly different light, to be judged blind; see scripts/pastes.

Each pair is one paste, as it is and harmonized, left and right drawn by the seed. Verdicts are
written into ``verdicts.csv`` (pair, better side or same, convincing or not) before ``key.json`` is
opened; ``--count`` then makes the tally.
"""

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import phnet
from phnet.compositing.composer import Composer
from phnet.datasets.foreign_light import LIGHTS, expose
from phnet.datasets.readers import masked_photos
from phnet.errors import BadData, PHNetError

SIDE = 480  # pixels, of a picture on the sheet
PAIRS_A_PAGE = 8
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def scenes(folder: Path) -> list[Path]:
    """Backgrounds of a folder; masks beside photos are passed over."""
    return [
        p
        for p in sorted(folder.iterdir())
        if p.suffix.lower() in SUFFIXES
        and not (p.suffix == ".png" and p.with_suffix(".jpg").exists())
    ]


def plan(folders: list[Path], backgrounds: Path, count: int, seed: int) -> list[dict[str, Any]]:
    """Which person goes where, and under which light; fixed by the seed and the files' names."""
    rng = np.random.default_rng(seed)
    persons = [pair for folder in folders for pair in masked_photos(folder)]
    behind = scenes(backgrounds)
    if not behind:
        raise BadData(f"{backgrounds}: expected backgrounds, found none")
    names = list(LIGHTS)
    pairs = []
    order = rng.permutation(len(persons))
    places = rng.permutation(len(behind))
    for k in range(count):
        photo, mask = persons[order[k % len(order)]]
        scene = behind[places[k % len(places)]]
        # Photos that were chosen for their light keep it; everyday scenes get another.
        drawn = names[int(rng.integers(len(names)))]
        light = None if scene.stem.startswith("own-") else drawn
        pairs.append(
            {
                "pair": k,
                "person": str(photo),
                "mask": str(mask),
                "background": str(scene),
                "light": light,
                "changed_side": ["left", "right"][int(rng.integers(2))],
            }
        )
    return pairs


def render(
    pair: dict[str, Any], composer: Composer, options: dict[str, Any], seed: int, against: str
) -> Any:
    """The paste (or what it is without finishing) and its harmonized version, uint8 RGB."""
    scene = cv2.cvtColor(cv2.imread(pair["background"]), cv2.COLOR_BGR2RGB)
    side = min(scene.shape[:2])
    left = (scene.shape[1] - side) // 2
    scene = scene[-side:, left : left + side]
    method = cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
    scene = np.asarray(cv2.resize(scene, (SIDE, SIDE), interpolation=method), np.uint8)
    if pair["light"]:
        lit = expose(scene, pair["light"], np.random.default_rng([seed, pair["pair"]]))
        scene = np.asarray(np.rint(lit * 255), np.uint8)
    photo = cv2.cvtColor(cv2.imread(pair["person"]), cv2.COLOR_BGR2RGB)
    mask = cv2.imread(pair["mask"], cv2.IMREAD_GRAYSCALE)
    cutout = composer.cut_out(photo, mask)
    made = composer.compose(cutout, scene, **options)
    if against == "paste":
        return made.composite, made.result
    return composer.compose(cutout, scene, **{**options, "finish": False}).result, made.result


def pages(
    pairs: list[dict[str, Any]],
    output: Path,
    composer: Composer,
    options: Any,
    seed: int,
    against: str,
) -> None:
    """Write the sheets: two pairs a row, the same four on every page but the last."""
    for start in range(0, len(pairs), PAIRS_A_PAGE):
        cells = []
        for pair in pairs[start : start + PAIRS_A_PAGE]:
            bare, changed = render(pair, composer, options, seed, against)
            two = [changed, bare] if pair["changed_side"] == "left" else [bare, changed]
            cell = np.concatenate(two, 1)
            text = f"{pair['pair']}  {pair['light'] or 'own light'}"
            cv2.putText(cell, text, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 3)
            cv2.putText(cell, text, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 1)
            cells.append(np.pad(cell, ((4, 4), (4, 4), (0, 0)), constant_values=255))
        if len(cells) % 2:
            cells.append(np.full_like(cells[0], 255))
        rows = [np.concatenate(cells[i : i + 2], 1) for i in range(0, len(cells), 2)]
        sheet = cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(output / f"sheet-{start // PAIRS_A_PAGE + 1}.png"), sheet)


def tally(output: Path) -> dict[str, int]:
    """Count ``verdicts.csv`` (columns pair, better: left, right or same, convincing: 0 or 1)."""
    key = {p["pair"]: p["changed_side"] for p in json.loads((output / "key.json").read_text())}
    counts = {"better": 0, "same": 0, "worse": 0, "convincing": 0}
    with (output / "verdicts.csv").open() as handle:
        for row in csv.DictReader(handle):
            chosen = row["better"].strip()
            if chosen == "same":
                counts["same"] += 1
            else:
                better = chosen == key[int(row["pair"])]
                counts["better" if better else "worse"] += 1
                counts["convincing"] += int(better and row["convincing"].strip() == "1")
    return counts


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("people", type=Path, nargs="+", help="folders of ID.jpg, ID.png")
    parser.add_argument("backgrounds", type=Path, help="own-*.jpg keep their light")
    parser.add_argument("-o", "--output", type=Path, default=Path("pastes"))
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=40)
    parser.add_argument("--model", help="an ONNX file instead of the embedded weights")
    parser.add_argument("--option", action="append", default=[], help="NAME=NUMBER of compose")
    parser.add_argument("--finish", action="store_true", help="with all effects")
    parser.add_argument("--against", choices=("paste", "unfinished"), default="paste")
    parser.add_argument("--count", action="store_true", help="make the tally of verdicts.csv")
    given = parser.parse_args()
    if given.count:
        print(json.dumps(tally(given.output)))
        return 0
    options: dict[str, Any] = {
        name: float(value) for name, value in (o.split("=") for o in given.option)
    }
    if given.finish:
        options["finish"] = True
    try:
        pairs = plan(given.people, given.backgrounds, given.pairs, given.seed)
        given.output.mkdir(parents=True, exist_ok=True)
        (given.output / "key.json").write_text(json.dumps(pairs, indent=1) + "\n")
        composer = Composer(phnet.Harmonizer(given.model))
        pages(pairs, given.output, composer, options, given.seed, given.against)
    except PHNetError as error:
        sys.exit(str(error))
    print(f"{len(pairs)} pairs in {given.output}; look at sheet-*.png before key.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
