"""What tests share: small folders of photos and pairs, the command line."""

import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

NO_TORCH = "needs torch, which is not installed here"


class _NoTorch(MetaPathFinder):
    """Skips what imports torch, a module or a test."""

    def find_spec(self, name: str, *_: object) -> None:
        """See :class:`importlib.abc.MetaPathFinder`."""
        if name == "torch":
            raise pytest.skip.Exception(NO_TORCH, allow_module_level=True)


if find_spec("torch"):
    import torch

    torch.set_num_threads(1)  # small networks are slower on many threads
else:
    sys.meta_path.insert(0, _NoTorch())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many were skipped for want of torch."""
    reports = terminalreporter.getreports("skipped")
    skipped = [one for one in reports if NO_TORCH in str(one.longrepr)]
    if skipped:
        files = {one.fspath for one in skipped}
        terminalreporter.write_line(f"{len(skipped)} skipped in {len(files)} files: {NO_TORCH}")


def smooth_photo(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A picture of soft colors, uint8 (H, W, 3)."""
    seeds = rng.integers(0, 256, (5, 5, 3)).astype(np.float32)
    photo = cv2.resize(seeds, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(photo, 0, 255).astype(np.uint8)


def disc_mask(height: int, width: int) -> np.ndarray:
    """A soft disc in the middle, uint8 (H, W)."""
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (width // 2, height // 2), min(height, width) // 3, 255, -1)
    return cv2.GaussianBlur(mask, (5, 5), 1)


@pytest.fixture
def command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run ``phnet`` with arguments, as a person would: status, out, err."""
    from phnet.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["phnet", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return run


@pytest.fixture(scope="session")
def photo_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos with masks: FOLDER/{train,val,test}/ID.jpg and ID.png."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 3), ("test", 3)):
        (root / split).mkdir()
        for i in range(count):
            height, width = 48 + 4 * i, 60
            cv2.imwrite(str(root / split / f"{split}_{i}.jpg"), smooth_photo(rng, height, width))
            cv2.imwrite(str(root / split / f"{split}_{i}.png"), disc_mask(height, width))
    return root


@pytest.fixture(scope="session")
def pair_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small FFHQH tree: real, comp, alpha and split files."""
    root = tmp_path_factory.mktemp("ffhqh")
    rng = np.random.default_rng(1)
    for folder in ("real", "comp", "alpha"):
        (root / folder).mkdir()
    names = [f"{i:05d}" for i in range(8)]
    for name in names:
        real, mask = smooth_photo(rng, 40, 40), disc_mask(40, 40)
        comp = np.where(mask[..., None] > 127, real // 2, real)
        cv2.imwrite(str(root / "real" / f"{name}.png"), real)
        cv2.imwrite(str(root / "comp" / f"{name}.png"), comp)
        cv2.imwrite(str(root / "alpha" / f"{name}.png"), mask)
    for split, part in (("train", names[:5]), ("val", names[5:7]), ("test", names[7:])):
        text = "".join(f"{name}.png\n" for name in part)
        (root / f"{split}_split.txt").write_text(text)
    return root
