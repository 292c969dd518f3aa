"""Write the npm package's test pictures, and compare what came; host_npm.py starts this."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import host
import numpy as np
from PIL import Image

import phnet
from phnet.matting.matte import Matter

LOOK = {"light": 0.6, "strength": 0.8, "exposure": 0.3, "warmth": -0.2}


def pictures() -> tuple[Any, Any, Any]:
    """Composite, mask and scene, uint8 RGB."""
    made = []
    for name, mode in (("composite.jpg", "RGB"), ("mask.png", "L"), ("background.jpg", "RGB")):
        image = Image.open(host.EXAMPLES / name).convert(mode)
        image.thumbnail((480, 480))
        made.append(np.asarray(image.convert("RGB")))
    return made[0], made[1], made[2]


def with_alpha(rgb: Any) -> Any:
    """RGBA, opaque."""
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])


def write(folder: Path) -> None:
    """Pictures as JavaScript reads them: width, height, RGBA."""
    folder.mkdir(exist_ok=True)
    for name, rgb in zip(("composite", "mask", "scene"), pictures(), strict=True):
        size = np.array(rgb.shape[1::-1], "<u4").tobytes()
        (folder / name).write_bytes(size + with_alpha(rgb).tobytes())
    Image.fromarray(with_alpha(pictures()[0])).save(folder / "composite.png")


def compare(folder: Path) -> None:
    """Each result against Python's, at most a level of 255 apart."""
    composite, gray, scene = pictures()
    mask = gray[..., 0]
    expected = {
        "harmonize": phnet.harmonize(composite, mask, **LOOK),
        "lut": phnet.harmonize(composite, mask, lift="lut"),
        "compose": phnet.compose(composite, scene, mask=mask, place=(40, 30, 0.5), **LOOK),
        "matte": np.rint(Matter().matte(composite) * 255)[..., None].repeat(3, 2),
        "canvas": phnet.harmonize(composite, mask, **LOOK),
        "blob.png": phnet.harmonize(composite, mask),
    }
    if folder.name == "node":
        del expected["canvas"]
    for name, picture in expected.items():
        content = (folder / name).read_bytes()
        if name.endswith(".png"):
            made = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
        else:
            made = np.frombuffer(content, np.uint8).reshape(*picture.shape[:2], 4)[..., :3]
        apart = int(np.abs(made.astype(int) - picture.astype(int)).max())
        print(f"{folder.name}: {name}: {apart} levels from Python at most")
        assert apart <= 1, apart
    refused = json.loads((folder / "refused").read_text())
    print(f"{folder.name}: refused: {'; '.join(refused)}")
    assert [sentence.split(":")[0] for sentence in refused] == ["strength", "mask"], refused


def main() -> None:
    """Write or compare."""
    what, project = sys.argv[1], Path(sys.argv[2])
    if what == "given":
        write(project / what)
    else:
        compare(project / what)


if __name__ == "__main__":
    main()
