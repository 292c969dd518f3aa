"""Run with Blender's Python by host_blender.py: the operator against the command line."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import bpy
import numpy as np

EXTENSIONS, WORK = Path(sys.argv[1]), Path(sys.argv[2])
WORDS = {"light": 0.6, "strength": 0.8, "exposure": 0.25, "warmth": -0.25}


def levels(image):
    """An image's values in levels of 255, bottom row first."""
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    return np.rint(values * 255).astype(int)


def refused(**words):
    """What the operator says where it cannot work; nothing may come of it."""
    before = len(bpy.data.images)
    try:
        bpy.ops.image.phnet_harmonize(**words)
    except RuntimeError as error:
        assert len(bpy.data.images) == before, "an image came all the same"
        return str(error).strip()
    raise AssertionError("expected it to be refused")


def compared(what, mask):
    """The operator and the command line on the same files."""
    composite = bpy.data.images["composite.png"]
    names = {image.name for image in bpy.data.images}
    given = {"mask": "mask.png"} if mask else {}
    assert bpy.ops.image.phnet_harmonize(image="composite.png", **given, **WORDS) == {"FINISHED"}
    (new,) = {image.name for image in bpy.data.images} - names
    made = bpy.data.images[new]
    assert made.packed_file, "expected the result in the file"
    words = [f"--{name}={value}" for name, value in WORDS.items()]
    masks = [str(WORK / "mask.png")] if mask else []
    target = str(WORK / "expected.png")
    command = [
        os.environ["PHNET"],
        "harmonize",
        str(WORK / "composite.png"),
        *masks,
        "-o",
        target,
        *words,
    ]
    subprocess.run(command, check=True, capture_output=True)
    expected = bpy.data.images.load(target)
    apart = abs(levels(made) - levels(expected)).max()
    changed = abs(levels(made) - levels(composite)).max()
    print(f"check: {what}: {apart} levels from the command line, {changed} from what was before")
    assert tuple(made.size) == tuple(composite.size)
    assert apart == 0, apart
    assert changed > 20, changed
    for image in (made, expected):
        bpy.data.images.remove(image)


def main():
    """Register, work, refuse, unregister."""
    about = tomllib.loads((EXTENSIONS / "phnet_harmonize" / "blender_manifest.toml").read_text())
    sys.path.insert(0, str(EXTENSIONS))
    import phnet_harmonize

    assert about["id"] == phnet_harmonize.__name__
    print(f"check: Blender {bpy.app.version_string}, extension {about['version']}")
    phnet_harmonize.register()
    for name in ("composite.png", "mask.png"):
        bpy.data.images.load(str(WORK / name))
    compared("mask", True)
    compared("no mask", False)
    bpy.data.images.new("floats", 8, 8, float_buffer=True)
    print("check: refused:", refused(image="floats"))
    print("check: refused:", refused(image="composite.png", mask="none"))
    os.environ["PHNET"] = "/none/phnet"
    sentence = refused(image="composite.png", mask="mask.png")
    assert "/none/phnet cannot be run" in sentence, sentence
    print("check: missing:", sentence)
    phnet_harmonize.unregister()
    assert not hasattr(bpy.types, "IMAGE_OT_phnet_harmonize")
    print("check: all passed")


if __name__ == "__main__":
    main()
