"""The product in one class: a network in an ONNX Runtime session, and the lift to full size."""

import logging
import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast

import numpy as np

from phnet.errors import BadInput, BadModel
from phnet.harmonization import model_file
from phnet.images.arrays import Floats, Pixels
from phnet.keywords import HarmonizeKeywords
from phnet.matting import sessions
from phnet.options import HarmonizeOptions, LookOptions, NetworkOptions, cores, made_of

if TYPE_CHECKING:
    from PIL import Image

    from phnet.harmonization.color_map import ColorMap
    from phnet.harmonization.field import Field
    from phnet.harmonization.finishing.beside import Beside
    from phnet.harmonization.lift import Kind
    from phnet.matting.matte import Matter

logger = logging.getLogger(__name__)

Composite = TypeVar("Composite", bound="str | os.PathLike[str] | Image.Image | Pixels")

LARGEST_MODEL = 1 << 30  # bytes


class Harmonizer:
    """A loaded network, to be used again and again, from several threads if you like.

    Args:
        model: None for the weights inside the package, "int8" for the same in whole numbers
            (faster on processors with VNNI), or the path of an ONNX file (``phnet export``
            writes them).
        threads: CPU threads; None for all.
        self_ensemble: run the network on the mirror image, too, and take the mean: a little
            nearer to the true photo on average, in twice the network's time.
        light: how much of the scene's light a person takes on where a call does not say, in
            [0, 1]: 0 is the paper's task, 1 a paste from another light. None: the model's own.
        providers: where networks run: names of ONNX Runtime's execution providers, such as
            "cuda", with commas between them; what is not there is told in the log, and the CPU
            takes its place. None: the CPU.

    Raises:
        BadModel: the file is missing or is not a harmonization network.
        BadOption: there is no such provider.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        threads: int | None = None,
        *,
        self_ensemble: bool = False,
        light: float | None = None,
        providers: str | None = None,
    ) -> None:
        NetworkOptions(None, self_ensemble, threads, providers)  # refuses what cannot be
        LookOptions(light=light)
        self.threads = threads or cores()
        self.providers = providers
        self.self_ensemble = self_ensemble
        self._matter: Matter | None = None  # loaded when a composite comes without a mask
        self.path = find_model(model)
        inside = model is None or str(model) == "int8"
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise BadModel(f"{self.path}: cannot be read ({error.strerror})") from error
        self._session = sessions.open_session(
            content, self.path, self.threads, outside=not inside, providers=providers
        )
        model_file.check_session(self._session, self.path)
        self.takes_light = any(i.name == "light" for i in self._session.get_inputs())
        self.has_field = any(o.name == "field" for o in self._session.get_outputs())
        self.light = light
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.card = model_file.read_card(metadata, self.path)
        self._seconds = None if inside else sessions.SECONDS_TO_RUN

    def run(self, image: Floats, mask: Floats, light: float | None = None) -> Floats:
        """Run the network itself, at the size that is handed in.

        Args:
            image: RGB (h, w, 3) in [0, 1]; h and w multiples of ``card.multiple``.
            mask: (h, w) in [0, 1].
            light: see :meth:`harmonize`.

        Returns:
            The harmonized picture, blended (eq. 1), (h, w, 3).

        Raises:
            BadInput: ``light`` is out of range, or the network does not take one.
        """
        result = self._answer(image, mask, light, "harmonized")
        return np.ascontiguousarray(result.transpose(1, 2, 0))

    def field(
        self,
        composite: Pixels,
        mask: Floats,
        resolution: int | None = None,
        light: float | None = None,
    ) -> "Field":
        """The field that the network puts out for a composite of any size.

        Args:
            composite: RGB (H, W, 3): uint8, uint16, or floats in [0, 1].
            mask: float32 (H, W) in [0, 1].
            resolution: side of the square that the network sees; None for the model's own.
            light: see :meth:`harmonize`.
        """
        from phnet.harmonization.field import from_network

        small, alpha = self.square(composite, mask, resolution or self.card.resolution)
        return from_network(self._answer(small, alpha, light, "field"))

    def _answer(self, image: Floats, mask: Floats, light: float | None, output: str) -> Floats:
        """An output (C, h, w) of the network; with ``self_ensemble`` the mean with the mirror's."""
        light = self._light(light)
        result = self._run(image, mask, light, output)
        if self.self_ensemble:
            other = self._run(image[:, ::-1], mask[:, ::-1], light, output)
            result = (result + other[..., ::-1]) * np.float32(0.5)
        return result

    def _light(self, light: float | None) -> float:
        """The light to ask the network for."""
        LookOptions(light=light)  # refuses what cannot be
        if light is None:
            light = self.light
        if light is None:
            return self.card.light
        if not self.takes_light:
            raise BadInput(
                f"light: the network {self.card.name} does not take one, but got {light}"
            )
        return float(light)

    def _run(self, image: Floats, mask: Floats, light: float, output: str) -> Floats:
        feed = {
            "image": np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32),
            "mask": np.ascontiguousarray(mask[None, None], np.float32),
        }
        if self.takes_light:
            feed["light"] = np.array([light], np.float32)
        result = model_file.run(self._session, feed, output, self.path, self._seconds)
        return np.asarray(result[0], np.float32)

    def color_map(
        self,
        composite: Pixels,
        mask: Floats,
        resolution: int | None = None,
        lift: "Kind" = HarmonizeOptions.lift,
        light: float | None = None,
    ) -> "ColorMap":
        """Decide the colors: what :meth:`harmonize` applies, for whoever applies it themselves.

        Args:
            composite: RGB (H, W, 3): uint8, uint16, or floats in [0, 1].
            mask: float32 (H, W) in [0, 1].
            resolution: side of the square that the network sees; None for the model's own.
            lift: the kind of map, see :mod:`phnet.harmonization.lift`.
            light: see :meth:`harmonize`.
        """
        from phnet.harmonization.lift import fit

        if self.has_field and lift == "auto":
            return self.field(composite, mask, resolution, light)
        take = self.square if self.has_field else self.small
        small, small_mask = take(composite, mask, resolution or self.card.resolution)
        harmonized = self.run(small, small_mask, light)
        return fit(lift, small, harmonized, small_mask, mask.shape)

    def harmonize(
        self,
        composite: Composite,
        mask: "str | os.PathLike[str] | Image.Image | Pixels | None" = None,
        *,
        reference: "str | os.PathLike[str] | Image.Image | Pixels | None" = None,
        look: str | os.PathLike[str] | None = None,
        save_look: str | os.PathLike[str] | None = None,
        save_psd: str | os.PathLike[str] | None = None,
        save_parts: str | os.PathLike[str] | None = None,
        **options: Unpack[HarmonizeKeywords],
    ) -> Composite:
        """Harmonize a composite.

        Args:
            composite: a path, a PIL image, or an array RGB (H, W, 3) or RGBA (H, W, 4), uint8,
                uint16, or floats in [0, 1]. Arrays are taken as sRGB; a profile is followed.
            mask: where the pasted foreground is: a path, a PIL image, or an array (H, W), of any
                size with the composite's aspect; see :mod:`phnet.images.masks` for its values.
                None: the person is found.
            reference: a picture that the light is read from instead of the background.
            look: a file that ``save_look`` wrote: its correction is applied, and none found.
            save_look: where to write the correction, as JSON.
            save_psd: where to write a PSD, with effects a layer for each step.
            save_parts: a folder to write a layer for each step to; made where there is none.
            options: fields of :class:`phnet.options.HarmonizeOptions`, such as ``strength=0.5``.

        Returns:
            The harmonized picture, of the composite's type, size, depth and alpha. For a path a
            PIL image, or, of a file with colors of 16 bits, which PIL has not, an array uint16.
            Pixels where the mask is 0 are those of the composite, bit for bit.

        Raises:
            BadInput: what is handed in cannot be used; says why.
        """
        from phnet.harmonization.finishing.beside import Beside

        chosen = made_of(HarmonizeOptions, options)
        beside = Beside(save_look, save_psd, save_parts)
        return cast(Composite, self._harmonized(composite, mask, reference, look, chosen, beside))

    def _harmonized(
        self,
        composite: Any,
        mask: Any,
        reference: Any,
        look: str | os.PathLike[str] | None,
        chosen: HarmonizeOptions,
        beside: "Beside",
    ) -> Any:
        """The work of :meth:`harmonize`, with checked options."""
        from phnet.harmonization.harmonize_picture import harmonize_picture
        from phnet.harmonization.look import look_of, read_look
        from phnet.images.handed_in import bounded, read_picture
        from phnet.images.masks import read_mask
        from phnet.matting.matte import Matter

        most = chosen.max_megapixels
        came = read_picture(bounded(composite, most))
        beside.check(came.picture, composite, mask, reference, look)
        behind = None if reference is None else bounded(reference, most, "reference")
        if mask is None and self._matter is None:
            self._matter = Matter(threads=self.threads, providers=self.providers)
        given = None if mask is None else bounded(mask, most, "mask")
        wanted: Any = {"wanted": chosen.mask_class, "several": chosen.each}
        layers = beside.layers(chosen)
        made = harmonize_picture(
            came.picture,
            None if given is None else read_mask(given, **wanted),
            chosen,
            harmonizer=self,
            matter=self._matter,
            reference=None if behind is None else read_picture(behind, "reference").picture,
            look=None if look is None else read_look(look),
            keep=layers,
        )
        beside.write(
            lambda: look_of(made.colors, made.mask),
            *(came.picture, came.picture.colors, made.result, made.mask),
            layers,
            chosen,
        )
        for note in made.notes:
            logger.info("%s", note)
        return came.back(made.result, made.mask)

    def square(self, composite: Pixels, mask: Floats, side: int) -> tuple[Floats, Floats]:
        """Composite and mask as squares of ``side`` pixels, enlarged where they are smaller."""
        import cv2

        from phnet.images.arrays import to_float

        def resized(picture: Any) -> Any:
            height, width = picture.shape[:2]
            least = (min(width, side), min(height, side))
            if least != (width, height):
                picture = cv2.resize(picture, least, interpolation=cv2.INTER_AREA)
            if least != (side, side):
                picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR)
            return picture

        side = max(self.card.multiple, side // self.card.multiple * self.card.multiple)
        source = composite if composite.dtype.kind == "u" else composite.astype(np.float32)
        alpha = np.clip(resized(mask.astype(np.float32)), 0, 1)
        return to_float(resized(source)), np.asarray(alpha, np.float32)

    def small(self, composite: Pixels, mask: Floats, resolution: int) -> tuple[Floats, Floats]:
        """Composite and mask at the network's size; a small picture is not enlarged."""
        import cv2

        from phnet.images.arrays import to_float

        multiple = self.card.multiple
        height, width = (
            max(multiple, min(side, resolution) // multiple * multiple) for side in mask.shape
        )
        if composite.shape[:2] != (height, width):
            source = composite if composite.dtype.kind == "u" else composite.astype(np.float32)
            composite = cv2.resize(source, (width, height), interpolation=cv2.INTER_AREA)
            mask = np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA))
        return to_float(composite), np.clip(mask, 0, 1).astype(np.float32)


def harmonize(
    composite: Composite,
    mask: "str | os.PathLike[str] | Image.Image | Pixels | None" = None,
    *,
    reference: "str | os.PathLike[str] | Image.Image | Pixels | None" = None,
    look: str | os.PathLike[str] | None = None,
    save_look: str | os.PathLike[str] | None = None,
    save_psd: str | os.PathLike[str] | None = None,
    save_parts: str | os.PathLike[str] | None = None,
    **options: Unpack[HarmonizeKeywords],
) -> Composite:
    """Harmonize once, with the weights inside the package; see :meth:`Harmonizer.harmonize`."""
    global _default
    if _default is None:
        _default = Harmonizer()
    return _default.harmonize(
        *(composite, mask),
        reference=reference,
        look=look,
        save_look=save_look,
        save_psd=save_psd,
        save_parts=save_parts,
        **options,
    )


_default: Harmonizer | None = None


def find_model(model: str | os.PathLike[str] | None) -> Path:
    """The ONNX file that ``model`` names: None, "int8", or a path.

    Raises:
        BadModel: there is no such file, or it is too large to be a model.
    """
    if model is None:
        return Path(str(resources.files("phnet") / "weights" / "portrait.onnx"))
    if model == "int8":
        path = Path(str(resources.files("phnet") / "weights" / "portrait-int8.onnx"))
        if not path.is_file():
            raise BadModel(
                "int8: expected weights/portrait-int8.onnx in the package, but it is not there"
            )
        return path
    path = Path(model)
    if not path.is_file():
        raise BadModel(f"{path}: expected an ONNX file, but there is no such file")
    if path.stat().st_size > LARGEST_MODEL:
        raise BadModel(f"{path}: expected an ONNX file of at most {LARGEST_MODEL >> 20} MiB")
    return path
