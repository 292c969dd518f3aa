"""Each node in ComfyUI's running server against the same in Python; host_comfyui.py starts this."""

import json
import shutil
from pathlib import Path
from typing import Any

import host
import host_comfyui
import numpy as np
from PIL import Image

import phnet
from phnet.evaluation.baselines import METHODS
from phnet.harmonization.harmonizer import Harmonizer
from phnet.matting.matte import Matter
from phnet.video.live import Live
from phnet.video.temporal_smoothing import SteadyMap

LOOK = {"light": 0.6, "strength": 0.8, "exposure": 0.3, "warmth": -0.2, "lift": "auto"}


def floats(path: Path) -> Any:
    """A picture as ComfyUI loads it."""
    return np.asarray(Image.open(path).convert("RGB"), np.float32) / 255


def load(number: str, path: Path) -> dict[str, Any]:
    """A node that loads a picture."""
    return {number: {"class_type": "LoadImage", "inputs": {"image": path.name}}}


class Checks:
    """The server and the pictures."""

    def __init__(self, server: host_comfyui.Server, work: Path) -> None:
        self.server, self.work = server, work
        self.composite, self.mask = work / "composite.png", work / "mask.png"
        # PNG: two JPEG decoders may differ by a level.
        Image.open(host.EXAMPLES / "composite.jpg").convert("RGB").save(self.composite)
        shutil.copy(host.EXAMPLES / "mask.png", self.mask)
        self.beach = work / "background.png"
        Image.open(host.EXAMPLES / "background.jpg").convert("RGB").save(self.beach)
        for path in (self.composite, self.mask, self.beach, host.EXAMPLES / "composite.jpg"):
            server.upload(path)
        self.image, self.scene = floats(self.composite), floats(self.beach)
        self.alpha = floats(self.mask)[..., 0]
        mask = {"image": "mask.png", "channel": "red"}
        self.loads = load("1", self.composite) | load("5", self.beach)
        self.loads["2"] = {"class_type": "LoadImageMask", "inputs": mask}

    def saved(self, kind: str, inputs: dict[str, Any], **more: Any) -> list[Any]:
        """What a node makes of its inputs, as pictures that the server saved."""
        nodes: dict[str, Any] = self.loads | more
        nodes["3"] = {"class_type": kind, "inputs": inputs}
        source = ["3", 0]
        if kind == "PHNetMatte":
            nodes["6"] = {"class_type": "MaskToImage", "inputs": {"mask": source}}
            source = ["6", 0]
        save = {"images": source, "filename_prefix": "check"}
        nodes["4"] = {"class_type": "SaveImage", "inputs": save}
        outputs, seconds = self.server.run(nodes)
        made = [self.server.picture(about) for about in outputs["4"]["images"]]
        print(f"{kind}: {len(made)} pictures in {seconds:.1f} s", end="")
        return made

    def same(self, made: Any, expected: Any) -> None:
        """At most one level apart: ComfyUI cuts off where we round."""
        apart = np.abs(made / 255.0 - np.asarray(expected, np.float64)).max() * 255
        print(f", {apart:.2f} levels from Python at most")
        assert apart <= 1.01, apart

    def harmonize(self) -> None:
        """One picture, and the example workflow."""
        inputs = {"image": ["1", 0], "mask": ["2", 0], "stabilise": 0.0, **LOOK}
        (made,) = self.saved("PHNetHarmonize", inputs)
        self.same(made, phnet.harmonize(self.image, self.alpha, **LOOK))
        outside = self.alpha == 0
        assert outside.any()
        assert (made[outside] == np.rint(self.image * 255)[outside]).all()
        assert np.abs(made / 255.0 - self.image).max() > 0.1
        example = host.ROOT / "integrations" / "comfyui" / "example" / "harmonize.json"
        workflow = json.loads(example.read_text())
        outputs, _ = self.server.run(workflow)
        (about,) = outputs["4"]["images"]
        shutil.copy(self.work / "ComfyUI" / "output" / about["filename"], self.work / "example.png")
        plain = floats(host.EXAMPLES / "composite.jpg")
        print("example/harmonize.json", end="")
        inputs = workflow["3"]["inputs"]
        shown = {name: inputs[name] for name in inputs.keys() - {"image", "mask", "stabilise"}}
        self.same(self.server.picture(about), phnet.harmonize(plain, self.alpha, **shown))

    def video(self) -> None:
        """A batch with smoothing, and the video's own node."""
        darker = {"image1": ["1", 0], "image2": ["7", 0], "blend_factor": 0.1}
        batch = {
            "7": {
                "class_type": "ImageBlend",
                "inputs": {**darker, "image2": ["1", 0], "blend_mode": "multiply"},
            },
            "8": {
                "class_type": "ImageBatch",
                "inputs": {"image1": ["1", 0], "image2": ["7", 0]},
            },
        }
        inputs = {"image": ["8", 0], "mask": ["2", 0], "stabilise": 0.85, **LOOK}
        first, second = self.saved("PHNetHarmonize", inputs, **batch)
        frames = [self.image, self.image * 0.9 + self.image * self.image * 0.1]
        steady, harmonizer, expected = SteadyMap(0.85), Harmonizer(), []
        from phnet.harmonization.tiling import Trims

        trims = Trims(LOOK["exposure"], LOOK["warmth"])
        for frame in frames:
            colors = steady.smooth(harmonizer.color_map(frame, self.alpha, light=LOOK["light"]))
            expected.append(colors.apply(frame, self.alpha, LOOK["strength"], 1, trims))
        self.same(np.stack([first, second]), expected)
        alone = phnet.harmonize(frames[1], self.alpha, **LOOK)
        assert np.abs(alone - expected[1]).max() > 1 / 255  # the smoothing is seen
        inputs = {"video": ["8", 0], "background": ["5", 0], "stabilise": 0.85, "every": 1}
        made = self.saved("PHNetVideoBackground", inputs, **batch)
        live = Live(np.rint(self.scene * 255).astype(np.uint8), stabilise=0.85)
        shown = [live.process(np.rint(frame * 255).astype(np.uint8)) for frame in frames]
        self.same(np.stack(made), np.stack(shown) / 255)

    def others(self) -> None:
        """Compose, matte, color match, the table of colors."""
        inputs = {"portrait": ["1", 0], "background": ["5", 0], "mask": ["2", 0], **LOOK}
        place = {"x": 40.0, "y": 60.0, "scale": 0.5}
        (made,) = self.saved("PHNetCompose", inputs | place)
        given = {"mask": self.alpha, "place": tuple(place.values()), **LOOK}
        self.same(made, phnet.compose(self.image, self.scene, **given))
        (made,) = self.saved("PHNetCompose", inputs | place | {"scale": 0.0})
        del given["place"]
        self.same(made, phnet.compose(self.image, self.scene, **given))
        inputs = {"image": ["1", 0], "refine": "guided", "stabilise": 0.0}
        (made,) = self.saved("PHNetMatte", inputs)
        self.same(made[..., 0], Matter().matte(self.image))
        inputs = {"image": ["1", 0], "mask": ["2", 0], "method": "mk", "strength": 0.7}
        (made,) = self.saved("PHNetColorMatch", inputs)
        self.same(made, METHODS["mk"].harmonize(self.image, self.alpha, strength=0.7))
        inputs = {"image": ["1", 0], "mask": ["2", 0], "light": 0.6, "filename_prefix": "look"}
        outputs, _ = self.server.run(
            self.loads | {"3": {"class_type": "PHNetSaveLUT", "inputs": inputs}}
        )
        made = table(self.work / "ComfyUI" / "output" / outputs["3"]["text"][0])
        Harmonizer().color_map(self.image, self.alpha, lift="lut", light=0.6).write_cube(
            self.work / "expected.cube"
        )
        apart = np.abs(made - table(self.work / "expected.cube")).max()
        print(f"PHNetSaveLUT: {len(made)} entries, {apart:.1e} from Python")
        assert apart < 1e-5, apart

    def refused(self) -> None:
        """A mask of another aspect is told in our sentence."""
        narrow = self.work / "narrow.png"
        Image.open(self.mask).convert("RGB").crop((0, 0, 100, 400)).save(narrow)
        self.server.upload(narrow)
        mask = {"image": "narrow.png", "channel": "red"}
        more = {"7": {"class_type": "LoadImageMask", "inputs": mask}}
        inputs = {"image": ["1", 0], "mask": ["7", 0], "stabilise": 0.0, **LOOK}
        try:
            self.saved("PHNetHarmonize", inputs, **more)
        except RuntimeError as error:
            told = str(error)
        else:
            raise AssertionError("a mask of another aspect was taken")
        assert "mask" in told, told
        assert "expected" in told, told
        print("PHNetHarmonize: a mask of another aspect is refused in one sentence")


def table(path: Path) -> Any:
    """The entries of a .cube file."""
    lines = [line.split() for line in path.read_text().splitlines()]
    return np.array([[float(x) for x in line] for line in lines if line and line[0][0].isdigit()])


def main() -> None:
    """Start the server and go through all nodes."""
    work = host.folder("comfyui")
    environment = host.Environment(work / "venv")
    with host_comfyui.Server(environment, work) as server:
        about = server.about
        print(f"ComfyUI {about['comfyui_version']}, torch {about['pytorch_version']}")
        known = [name for name in server.get("/object_info") if name.startswith("PHNet")]
        assert len(known) == 6, known
        checks = Checks(server, work)
        checks.harmonize()
        checks.video()
        checks.others()
        checks.refused()


if __name__ == "__main__":
    main()
