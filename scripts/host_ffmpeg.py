"""The recipe of docs/looks.md in FFmpeg, line by line, against phnet's own result."""

import os
import re
import shutil

import host

COMPARE = """
import numpy as np
from PIL import Image
read = lambda name: np.asarray(Image.open(name).convert("RGB")).astype(int)
before, ours, theirs = read("composite.png"), read("harmonized.png"), read("look.png")
outside = np.asarray(Image.open("mask.png").convert("L")) == 0
apart = abs(ours - theirs).max()
print(f"ffmpeg: {apart} levels from phnet at most, {abs(before - ours).max()} from the composite")
assert apart <= 2 and outside.any() and (theirs == before)[outside].all()
assert abs(before - ours).max() > 20
"""


def main() -> None:
    """Run the lines of the page; compare."""
    if not shutil.which("ffmpeg"):
        raise RuntimeError("expected ffmpeg (apt-get install ffmpeg)")
    work, python = host.folder("ffmpeg"), host.phnet().python
    host.example(python, work)
    text = (host.ROOT / "docs" / "looks.md").read_text()
    lines = re.findall(r"^(?:phnet|ffmpeg) .*$", text, re.MULTILINE)
    print(host.run("ffmpeg", "-version").splitlines()[0])
    for line in lines:
        line = re.sub(r"^phnet ", f"{python} -m phnet ", line)
        host.run("bash", "-c", line, where=work, env=dict(os.environ))
    print(host.run(python, "-c", COMPARE, where=work), end="")


if __name__ == "__main__":
    main()
