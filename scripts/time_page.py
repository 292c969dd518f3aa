#!/usr/bin/env python3
"""Time the static page in Debian's chromium: scripts/time_page.py WIDTHxHEIGHT ...

Prints, for each size, the seconds of a first harmonization (networks loaded, code compiled), the
median of the following ones, and the largest memory of the browser's process for the page.
"""

import argparse
import functools
import http.server
import re
import shutil
import statistics
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from skimage.data import astronaut

from phnet.web.static_site import write_page

WORK = """async ({ lift, times, compose }) => {
  const { engine } = await import("./local.js");
  const [composite, mask] = await Promise.all(
    ["composite.jpg", "mask.png"].map(async (name) => (await fetch(name)).blob()));
  const seconds = [];
  for (let i = 0; i < times; i++) {
    const begun = performance.now();
    const options = { mask, strength: 1, lift, model: "" };
    await (compose
      ? engine.compose({ portrait: composite, background: composite, place: "0,0,0.9", ...options })
      : engine.harmonize({ composite, ...options }));
    seconds.push((performance.now() - begun) / 1000);
  }
  return seconds;
}"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def main() -> int:
    """Return the exit status."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="+", metavar="WIDTHxHEIGHT")
    parser.add_argument("--lift", default="guided")
    parser.add_argument("--times", type=int, default=4)
    parser.add_argument("--compose", action="store_true", help="time composing instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "page"
        write_page(folder, [None])
        handler = functools.partial(_Quiet, directory=str(folder))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            for size in arguments.sizes:
                width, height = (int(side) for side in size.split("x"))
                write_pictures(folder, width, height)
                with sync_playwright() as playwright:
                    before = renderers()
                    browser = playwright.chromium.launch(
                        executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                    )
                    page = browser.new_page()
                    page.set_default_timeout(600_000)
                    page.goto(f"http://127.0.0.1:{server.server_port}/")
                    first, *others = page.evaluate(WORK, vars(arguments))
                    mine = {k: v for k, v in renderers().items() if k not in before}
                    browser.close()
                later = statistics.median(others) if others else float("nan")
                print(f"{size}  first {first:.1f} s  then {later:.1f} s  {max(mine.values())} MB")
            server.shutdown()
    return 0


def write_pictures(folder: Path, width: int, height: int) -> None:
    """A photo of that size, and a mask whose foreground is half of it."""
    photo = cv2.resize(astronaut()[..., ::-1], (width, height), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((height, width), np.uint8)
    mask[:, width // 4 : width - width // 4] = 255
    cv2.imwrite(str(folder / "composite.jpg"), photo)
    cv2.imwrite(str(folder / "mask.png"), mask)


def renderers() -> dict[str, int]:
    """Chromium's processes for pages: the largest memory that each has had, in MB."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            status = (process / "status").read_text()
            command = (process / "cmdline").read_text()
        except OSError:  # it has just ended
            continue
        peak = re.search(r"VmHWM:\s+(\d+)", status)
        if "--type=renderer" in command and peak:
            found[process.name] = int(peak[1]) // 1000
    return found


if __name__ == "__main__":
    sys.exit(main())
