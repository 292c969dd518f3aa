"""The nodes. Their inputs are made from ``phnet.options``, so that all doors offer the same."""

from functools import cache
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.utils
import folder_paths
import numpy as np

from phnet.compositing.composer import Composer
from phnet.compositing.placement import default_place
from phnet.errors import BadInput
from phnet.evaluation.baselines import METHODS
from phnet.harmonization.harmonizer import Harmonizer
from phnet.harmonization.lut3d import Lut
from phnet.harmonization.model_file import DEFAULT_LIGHT
from phnet.harmonization.tiling import Trims
from phnet.images.arrays import Floats
from phnet.matting.matte import REFINEMENTS, Matter
from phnet.options import LookOptions, Option, SceneOptions, options_of
from phnet.video.live import Live
from phnet.video.temporal_smoothing import STABILISE, Cuts, SteadyMap, SteadyMatte

from .tensors import frames, image_of, mask_of, masks_for, size_of

CATEGORY = "image/phnet"
STEADY = "How much stays from frame to frame where the images are a video; 0: single pictures."


def _input(one: Option) -> tuple[Any, dict[str, Any]]:
    """An option as an input of a node."""
    about = one.about
    if one.choices:
        return list(one.choices), {"default": one.default, "tooltip": about.help}
    default = DEFAULT_LIGHT if one.name == "light" else one.default
    limits = {"min": about.low, "max": about.high, "step": about.step}
    return "FLOAT", {"default": default, "tooltip": about.help, **limits}


def _look() -> dict[str, Any]:
    # A picture that ComfyUI holds is decoded, so that a bound on its size comes too late.
    known = (one for one in options_of(LookOptions) if one.name != "max_megapixels")
    return {one.name: _input(one) for one in known}


def _steady(default: float) -> tuple[Any, dict[str, Any]]:
    return "FLOAT", {"default": default, "min": 0, "max": 1, "step": 0.05, "tooltip": STEADY}


@cache
def _harmonizer() -> Harmonizer:
    return Harmonizer()


@cache
def _matter() -> Matter:
    return Matter()


@cache
def _composer() -> Composer:
    return Composer(_harmonizer(), _matter())


def _counted(pictures: Floats) -> Any:
    """Pictures with their numbers: progress is shown, and the user's stop ends it."""
    progress = comfy.utils.ProgressBar(len(pictures))
    for index, picture in enumerate(pictures):
        comfy.model_management.throw_exception_if_processing_interrupted()
        yield index, picture
        progress.update(1)


def _eight_bits(picture: Floats) -> Any:
    return np.rint(picture[..., :3] * 255).astype(np.uint8)


class Harmonize:
    """A composite's person in tune with the photo; a batch may be the frames of a video."""

    CATEGORY, FUNCTION = CATEGORY, "run"
    RETURN_TYPES, RETURN_NAMES = ("IMAGE", "MASK"), ("image", "mask")
    DESCRIPTION = "Make the person pasted into a photo belong there; the background stays."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """See ComfyUI."""
        return {
            "required": {"image": ("IMAGE",), **_look(), "stabilise": _steady(0.0)},
            "optional": {"mask": ("MASK", {"tooltip": "White: the person. None: it is found."})},
        }

    def run(self, image: Any, stabilise: float, mask: Any = None, **look: Any) -> Any:
        """See the class."""
        options, pictures = LookOptions(**look), frames(image)
        masks = masks_for(mask, len(pictures), size_of(pictures))
        steady = _Steady(stabilise)
        trims = Trims(options.exposure, options.warmth)
        made, alphas = [], []
        for index, picture in _counted(pictures):
            rgb, alpha = picture[..., :3], steady.alpha(picture, masks[index])
            result = picture.copy()
            if alpha.any():
                colors = _harmonizer().color_map(rgb, alpha, lift=options.lift, light=options.light)
                if stabilise:
                    colors = steady.maps.smooth(colors)
                threads = _harmonizer().threads
                result[..., :3] = colors.apply(rgb, alpha, options.strength, threads, trims)
            made.append(result)
            alphas.append(alpha)
        return image_of(made), mask_of(alphas)


class _Steady:
    """What a video keeps from frame to frame."""

    def __init__(self, stabilise: float) -> None:
        self.stabilise = stabilise
        self.maps, self.mattes = SteadyMap(stabilise), SteadyMatte(stabilise)
        self._cuts = Cuts()

    def alpha(self, picture: Floats, mask: Floats | None) -> Floats:
        """The mask, or the person that is found, steady; after a cut all begins anew."""
        seen = _eight_bits(picture)
        if self.stabilise and self._cuts.is_cut(seen):
            self.maps.forget()
            self.mattes.forget()
        if mask is not None:
            return mask
        found = _matter().matte(picture[..., :3])
        return self.mattes.smooth(seen, found) if self.stabilise else found


class Compose:
    """A person from a portrait in front of another background."""

    CATEGORY, FUNCTION = CATEGORY, "run"
    RETURN_TYPES, RETURN_NAMES = ("IMAGE", "MASK"), ("image", "mask")
    DESCRIPTION = "Put the person of a portrait in front of a background, in harmony with it."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """See ComfyUI."""
        place = {"default": 0.0, "min": -16384.0, "max": 16384.0, "step": 1.0}
        scale = {"default": 0.0, "min": 0.0, "max": 64.0, "step": 0.01}
        return {
            "required": {
                "portrait": ("IMAGE",),
                "background": ("IMAGE",),
                **_look(),
                "x": ("FLOAT", {**place, "tooltip": "Left edge, in the background's pixels."}),
                "y": ("FLOAT", {**place, "tooltip": "Upper edge, likewise."}),
                "scale": ("FLOAT", {**scale, "tooltip": "0: placed by itself, x and y unused."}),
            },
            "optional": {"mask": ("MASK", {"tooltip": "White: the person. None: it is found."})},
        }

    def run(
        self,
        portrait: Any,
        background: Any,
        x: float,
        y: float,
        scale: float,
        mask: Any = None,
        **look: Any,
    ) -> Any:
        """See the class."""
        options, people, scenes = SceneOptions(**look), frames(portrait), frames(background)
        if 1 not in (len(people), len(scenes)) and len(people) != len(scenes):
            raise BadInput(f"background: expected 1 or {len(people)} images, got {len(scenes)}")
        masks = masks_for(mask, len(people), size_of(people))
        count = max(len(people), len(scenes))
        made = []
        for index, scene in _counted(np.broadcast_to(scenes, (count, *scenes.shape[1:]))):
            one = index % len(people)
            cutout = _composer().cut_out(people[one], masks[one])
            place = default_place(cutout.alpha, size_of(scenes))
            if scale:
                place = type(place)(x, y, scale)
            made.append(_composer().compose(cutout, scene, place, options))
        return image_of([one.result for one in made]), mask_of([one.mask for one in made])


class VideoBackground:
    """The frames of a video in front of another background, steady, as in ``phnet video``."""

    CATEGORY, FUNCTION = CATEGORY, "run"
    RETURN_TYPES = ("IMAGE",)
    DESCRIPTION = "The person of each frame before another background that covers the frame."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """See ComfyUI."""
        every = {"default": 1, "min": 1, "max": 60, "tooltip": "The network runs once in so many."}
        return {
            "required": {
                "video": ("IMAGE",),
                "background": ("IMAGE",),
                "stabilise": _steady(STABILISE),
                "every": ("INT", every),
            },
            "optional": {"mask": ("MASK", {"tooltip": "White: the person. None: it is found."})},
        }

    def run(
        self, video: Any, background: Any, stabilise: float, every: int, mask: Any = None
    ) -> Any:
        """See the class."""
        pictures, scenes = frames(video), frames(background)
        masks = masks_for(mask, len(pictures), size_of(pictures))
        live = Live(
            _eight_bits(scenes[0]),
            stabilise=stabilise,
            every=every,
            harmonizer=_harmonizer(),
            matter=_matter(),
        )
        made = []
        for index, picture in _counted(pictures):
            if len(scenes) > 1:
                live.background = _eight_bits(scenes[index % len(scenes)])
            made.append(live.process(_eight_bits(picture), masks[index]) / np.float32(255))
        return (image_of(made),)


class Matte:
    """Where the person is."""

    CATEGORY, FUNCTION = CATEGORY, "run"
    RETURN_TYPES = ("MASK",)
    DESCRIPTION = "Find the person in a photo: its alpha."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """See ComfyUI."""
        how = {"default": "guided", "tooltip": "How the edge is found; closed-form: extra 'matte'"}
        return {
            "required": {
                "image": ("IMAGE",),
                "refine": (list(REFINEMENTS), how),
                "stabilise": _steady(0.0),
            }
        }

    def run(self, image: Any, refine: str, stabilise: float) -> Any:
        """See the class."""
        steady, alphas = SteadyMatte(stabilise), []
        for _, picture in _counted(frames(image)):
            found = _matter().matte(picture[..., :3], refine)
            alphas.append(steady.smooth(_eight_bits(picture), found) if stabilise else found)
        return (mask_of(alphas),)


class SaveLut:
    """The look of a composite as a ``.cube`` file in ComfyUI's output folder."""

    CATEGORY, FUNCTION, OUTPUT_NODE = CATEGORY, "run", True
    RETURN_TYPES, RETURN_NAMES = ("STRING",), ("path",)
    DESCRIPTION = "Write the look of the first image as a .cube file for Photoshop or Resolve."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """See ComfyUI."""
        return {
            "required": {
                "image": ("IMAGE",),
                "mask": ("MASK",),
                "light": _look()["light"],
                "filename_prefix": ("STRING", {"default": "phnet/look"}),
            }
        }

    def run(self, image: Any, mask: Any, light: float, filename_prefix: str) -> Any:
        """See the class."""
        picture = frames(image)[0][..., :3]
        (alpha,) = masks_for(mask[:1], 1, (picture.shape[0], picture.shape[1]))
        assert alpha is not None
        look = _harmonizer().color_map(picture, alpha, lift="lut", light=light)
        assert isinstance(look, Lut)
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            filename_prefix, folder_paths.get_output_directory()
        )
        path = Path(folder) / f"{name}_{counter:05}_.cube"
        while path.exists():
            counter += 1
            path = Path(folder) / f"{name}_{counter:05}_.cube"
        look.write_cube(path)
        return {"ui": {"text": [str(Path(subfolder) / path.name)]}, "result": (str(path),)}


class ColorMatch:
    """A classical method in the place of the network."""

    CATEGORY, FUNCTION = CATEGORY, "run"
    RETURN_TYPES = ("IMAGE",)
    DESCRIPTION = "Move the person's colors to those of the background by a classical method."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """See ComfyUI."""
        methods = [name for name in METHODS if name != "composite"]
        share = {"default": 1.0, "min": 0, "max": 1, "step": 0.05}
        return {
            "required": {
                "image": ("IMAGE",),
                "mask": ("MASK",),
                "method": (methods, {"default": "reinhard"}),
                "strength": ("FLOAT", share),
            }
        }

    def run(self, image: Any, mask: Any, method: str, strength: float) -> Any:
        """See the class."""
        pictures = frames(image)
        masks = masks_for(mask, len(pictures), size_of(pictures))
        known = METHODS[method]
        made = [
            known.harmonize(picture, masks[index], strength=strength)
            for index, picture in _counted(pictures)
        ]
        return (image_of(made),)


NODE_CLASS_MAPPINGS = {
    "PHNetHarmonize": Harmonize,
    "PHNetCompose": Compose,
    "PHNetVideoBackground": VideoBackground,
    "PHNetMatte": Matte,
    "PHNetSaveLUT": SaveLut,
    "PHNetColorMatch": ColorMatch,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "PHNetHarmonize": "PHNet harmonize",
    "PHNetCompose": "PHNet compose",
    "PHNetVideoBackground": "PHNet video background",
    "PHNetMatte": "PHNet matte",
    "PHNetSaveLUT": "PHNet save LUT",
    "PHNetColorMatch": "PHNet color match",
}
