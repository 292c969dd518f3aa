#!/usr/bin/env python3
"""Write what would be uploaded to Hugging Face: scripts/make_hugging_face.py DIR [WHEEL].

DIR/model is the repository of the weights: torch (from weights/portrait.safetensors) and ONNX,
with the model card of docs/model-card.md in their format. DIR/space is the folder of a Space,
which needs a wheel (python -m pip wheel --no-deps .). Needs the extra 'train'; asks no network.
"""

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "integrations" / "hugging_face"
EMBEDDED = ROOT / "src" / "phnet" / "weights"


def model_card() -> str:
    """The card: the front matter and use, then what docs/model-card.md says."""
    said = (ROOT / "docs" / "model-card.md").read_text()
    said = re.sub(r"^# .*\n", "## Model card\n", said, count=1)
    said = re.sub(r"^## (?!Model card)", "### ", said, flags=re.MULTILINE)
    # Links to other pages of the documentation lead nowhere there: their words stay.
    return (SOURCE / "README.md").read_text() + re.sub(
        r"\[([^]]*)\]\([^)]*\.md[^)]*\)", r"\1", said
    )


def write_model(folder: Path) -> None:
    """The repository of the weights."""
    from phnet.training.checkpoint import load_network

    load_network(ROOT / "weights" / "portrait.safetensors").save_pretrained(folder)
    for path in (EMBEDDED / "portrait.onnx", EMBEDDED / "portrait-int8.onnx"):
        shutil.copy(path, folder)
    for name in ("LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, folder)
    (folder / "README.md").write_text(model_card(), encoding="utf-8")


def write_space(folder: Path, wheel: Path) -> None:
    """The folder of a Space."""
    shutil.copytree(SOURCE / "space", folder, dirs_exist_ok=True)
    shutil.copy(ROOT / "scripts" / "constraints.txt", folder)
    shutil.copy(wheel, folder)
    (folder / "phnet.txt").write_text(f"./{wheel.name}[serve,heic]\n")


def main() -> int:
    """Return the exit status."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    write_model(target / "model")
    if len(sys.argv) > 2:
        write_space(target / "space", Path(sys.argv[2]))
    print(*sorted(str(path) for path in target.rglob("*") if path.is_file()), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
