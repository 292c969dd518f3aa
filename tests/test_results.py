"""scripts/results: from photos to a section of docs/results.md."""

import hashlib
import runpy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from phnet.datasets.benchmark_sets import make_set, photos_with_masks
from phnet.datasets.synthesis import make_composite
from phnet.images import load, load_mask

SCRIPT = Path(__file__).parent.parent / "scripts" / "make_results.py"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def test_a_section_is_written_and_replaced(
    script: dict[str, Any], photo_tree: Path, tmp_path: Path
) -> None:
    output, page = tmp_path / "results.md", tmp_path / "report.html"
    output.write_text(
        "# Results\n\nBefore.\n\n<!-- results val -->\nold\n<!-- end val -->\nAfter.\n"
    )
    arguments = ["--photos", str(photo_tree / "val"), "-o", str(output), "--methods", "mk"]
    assert script["main"]([*arguments, "--html", str(page)]) == 0
    first = output.read_text()
    assert first.startswith("# Results\n\nBefore.\n\n<!-- results val -->\n## val: 3 photos\n")
    assert first.endswith("<!-- end val -->\nAfter.\n")
    assert "old" not in first
    assert "| untouched composite |" in first
    assert "| the same, with `--self-ensemble` |" in first
    assert "24 results" in first  # 3 photos, 4 methods, composites and untouched photos
    assert "every background pixel is the composite's, bit for bit" in first
    assert "| method | paper | own-size | foreign-light | nothing |" in first
    assert "| mk, half |" in first
    assert "| set | method | tone | n | luma, change |" in first
    assert "| nothing | **network, light 1** | dark |" in first
    assert "<h2>Measured</h2>" in page.read_text()
    assert script["main"](arguments) == 0
    assert output.read_text().count("<!-- results val -->") == 1


def test_composites_are_those_of_validation(photo_tree: Path, tmp_path: Path) -> None:
    files = photos_with_masks(photo_tree / "val")
    assert [photo.stem for photo, _ in files] == ["val_0", "val_1", "val_2"]
    make_set("paper", files, [], tmp_path / "tree")
    photo, mask = load(files[2][0]).colors, np.rint(load_mask(files[2][1]) * 255)
    small = cv2.resize(photo, (256, 256), interpolation=cv2.INTER_AREA)
    small_mask = cv2.resize(mask.astype(np.uint8), (256, 256), interpolation=cv2.INTER_AREA)
    expected = make_composite(small, small_mask, [2024, 2])
    stored = cv2.imread(str(tmp_path / "tree" / "comp" / "val_2.png"))[..., ::-1]
    assert np.array_equal(stored, expected.image)


def test_a_set_is_named_by_its_own_files(script: dict[str, Any], photo_tree: Path) -> None:
    sums = {
        split: script["identity"](photos_with_masks(photo_tree / split))
        for split in ("train", "val", "test")
    }
    assert len(set(sums.values())) == 3
    files = photos_with_masks(photo_tree / "val")
    lines = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for pair in files
        for path in pair
    )
    assert hashlib.sha256(lines.encode()).hexdigest() in sums["val"]


def test_a_broken_promise_is_said(script: dict[str, Any]) -> None:
    class Broken:
        def harmonize(self, composite: np.ndarray, mask: np.ndarray) -> np.ndarray:
            result = composite + np.float32(1e-6)
            result[mask > 0] = np.nan
            return result

    watched = script["Watched"](Broken())
    mask = np.eye(4, dtype=np.float32)
    result = watched.harmonize(np.full((4, 4, 3), 9, np.uint8), mask)
    assert result.dtype == np.uint8
    assert (watched.infinite, watched.changed) == (1, 1)
    said = script["_promise"]({"broken": watched})
    assert said == "**Of 1 results 1 are not finite and 1 change the background.**"


def test_bad_photos_are_refused(
    script: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script["main"](["--photos", str(tmp_path), "-o", str(tmp_path / "r.md")]) == 2
    assert "expected photos ID.jpg with masks ID.png" in capsys.readouterr().err
