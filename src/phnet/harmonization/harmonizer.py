"""The product in one class: a network in an ONNX Runtime session, and the lift to full size."""

import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from phnet.errors import BadImage, BadModel
from phnet.harmonization import model_file
from phnet.harmonization.model_file import Card

if TYPE_CHECKING:
    from PIL import Image

    from phnet.harmonization.lift import ColourMap, Kind

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[Any]
Composite = TypeVar("Composite", bound="str | os.PathLike[str] | Image.Image | Pixels")

LARGEST_MODEL = 1 << 30  # bytes
__all__ = ["Card", "Harmonizer", "find_model", "harmonize", "mask_array"]


class Harmonizer:
    """A loaded network, to be used again and again, from several threads if you like.

    Args:
        model: None for the weights inside the package, "int8" for the same in whole numbers
            (faster on processors with VNNI), "full" for the full network of the package
            phnet-full, or the path of an ONNX file (``phnet export`` writes them).
        threads: CPU threads; None for all.
        self_ensemble: run the network on the mirror image, too, and take the mean: a little
            nearer to the true photo on average, in twice the network's time.

    Raises:
        BadModel: the file is missing or is not a harmonization network.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        threads: int | None = None,
        *,
        self_ensemble: bool = False,
    ) -> None:
        import onnxruntime as ort

        ort.disable_telemetry_events()  # for Windows, where no variable does it
        self.threads = threads or os.cpu_count() or 1
        self.self_ensemble = self_ensemble
        self.path = find_model(model)
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        # Threads that wait by spinning take the cores from the lift, and from other programs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        # Weights outside the file are looked for below the file itself, where nothing can be:
        # a model from a stranger must not read other files.
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(self.path / "outside")
        )
        try:
            content = self.path.read_bytes()
            self._session = ort.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own exceptions have no common base
            reason = str(error).splitlines()[0][:200]
            raise BadModel(f"{self.path}: expected an ONNX network, but {reason}") from error
        model_file.check_session(self._session, self.path)
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.card = model_file.read_card(metadata, self.path)
        inside = model is None or str(model) in ("int8", "full")
        self._seconds = None if inside else model_file.SECONDS_TO_RUN

    def run(self, image: Floats, mask: Floats) -> Floats:
        """Run the network itself, at the size that is handed in.

        Args:
            image: RGB (h, w, 3) in [0, 1]; h and w multiples of ``card.multiple``.
            mask: (h, w) in [0, 1].

        Returns:
            The harmonized picture, blended (eq. 1), (h, w, 3).
        """
        if self.self_ensemble:
            mirrored = self._run(image[:, ::-1], mask[:, ::-1])[:, ::-1]
            return np.asarray((self._run(image, mask) + mirrored) / 2, np.float32)
        return self._run(image, mask)

    def _run(self, image: Floats, mask: Floats) -> Floats:
        feed = {
            "image": np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32),
            "mask": np.ascontiguousarray(mask[None, None], np.float32),
        }
        result = model_file.run(self._session, feed, self.path, self._seconds)
        return np.asarray(result[0].transpose(1, 2, 0), np.float32)

    def colour_map(
        self,
        composite: Pixels,
        mask: Floats,
        resolution: int | None = None,
        lift: "Kind" = "guided",
    ) -> "ColourMap":
        """Decide the colours: what :meth:`harmonize` applies, for whoever applies it themselves.

        Args:
            composite: RGB (H, W, 3): uint8, uint16, or floats in [0, 1].
            mask: float32 (H, W) in [0, 1].
            resolution: side of the square that the network sees; None for the model's own.
            lift: the kind of map, see :mod:`phnet.harmonization.lift`.
        """
        from phnet.harmonization.lift import fit

        small, small_mask = self.small(composite, mask, resolution or self.card.resolution)
        return fit(lift, small, self.run(small, small_mask), small_mask, mask.shape)

    def harmonize(
        self,
        composite: Composite,
        mask: "str | os.PathLike[str] | Image.Image | Pixels",
        *,
        resolution: int | None = None,
        lift: "Kind" = "guided",
        strength: float = 1.0,
    ) -> Composite:
        """Harmonize a composite.

        Args:
            composite: a path, a PIL image, or an array RGB (H, W, 3) or RGBA (H, W, 4), uint8,
                uint16, or floats in [0, 1]. Arrays are taken as sRGB; a profile is followed.
            mask: where the pasted foreground is: a path, a PIL image, or an array (H, W), uint8,
                bool, or floats in [0, 1]; of any size with the composite's aspect.
            resolution: side of the square that the network sees; None for the model's own.
            lift: "guided", "lut" or "none", see :mod:`phnet.harmonization.lift`.
            strength: how much of the change to take, in [0, 1].

        Returns:
            The harmonized picture, of the composite's type, size and depth (for a path a PIL
            image). Pixels where the mask is 0 are those of the composite, bit for bit.

        Raises:
            BadImage, BadMask: what is handed in cannot be used; says why.
        """
        if not 0 <= strength <= 1:
            raise BadImage(f"strength: expected a number between 0 and 1, got {strength}")
        if isinstance(composite, str | os.PathLike):
            from PIL import Image

            from phnet.images import load

            rgb = np.rint(load(composite).rgb * 255).astype(np.uint8)
            result: Any = Image.fromarray(self._array(rgb, mask, resolution, lift, strength))
            return cast(Composite, result)
        if isinstance(composite, np.ndarray):
            return cast(Composite, self._array(composite, mask, resolution, lift, strength))
        return cast(Composite, self._pil(composite, mask, resolution, lift, strength))

    def _pil(
        self, composite: Any, mask: Any, resolution: int | None, lift: "Kind", strength: float
    ) -> Any:
        from PIL import Image

        from phnet.images import from_pil
        from phnet.images.arrays import check_mask
        from phnet.images.encoding import to_pil

        if not isinstance(composite, Image.Image):
            raise BadImage(
                "composite: expected a path, a PIL image or a numpy array, "
                f"got {type(composite).__name__}"
            )
        picture = from_pil(composite)
        inside = check_mask(mask_array(mask), picture.size)
        pixels = self._array(picture.colours, inside, resolution, lift, strength)
        result = to_pil(picture, pixels, inside)
        result.info = dict(composite.info)
        return result

    def _array(
        self, composite: Pixels, mask: Any, resolution: int | None, lift: "Kind", strength: float
    ) -> Pixels:
        from phnet.images.arrays import check_mask, check_pixels

        check_pixels(composite)
        alpha = check_mask(mask_array(mask), composite.shape[:2])
        rgb = composite[..., :3]
        colours = self.colour_map(rgb, alpha, resolution, lift)
        result = colours.apply(rgb, alpha, strength, self.threads)
        if composite.shape[2] == 4:
            return np.concatenate([result, composite[..., 3:]], 2)
        return result

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
    composite: Composite, mask: "str | os.PathLike[str] | Image.Image | Pixels", **options: Any
) -> Composite:
    """Harmonize once, with the weights inside the package; see :meth:`Harmonizer.harmonize`."""
    global _default
    if _default is None:
        _default = Harmonizer()
    return _default.harmonize(composite, mask, **options)


_default: Harmonizer | None = None


def find_model(model: str | os.PathLike[str] | None) -> Path:
    """The ONNX file that ``model`` names: None, "int8", "full", or a path.

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
    if model == "full":
        try:
            return Path(str(resources.files("phnet_full") / "full.onnx"))
        except ModuleNotFoundError as error:
            raise BadModel(
                "full: expected the package phnet-full to be installed (packages/phnet-full)"
            ) from error
    path = Path(model)
    if not path.is_file():
        raise BadModel(f"{path}: expected an ONNX file, but there is no such file")
    if path.stat().st_size > LARGEST_MODEL:
        raise BadModel(f"{path}: expected an ONNX file of at most {LARGEST_MODEL >> 20} MiB")
    return path


def mask_array(mask: Any) -> Any:
    """A mask from a path or PIL image as an array; arrays pass."""
    if isinstance(mask, str | os.PathLike):
        from phnet.images import load_mask

        return load_mask(mask)
    if isinstance(mask, np.ndarray):
        return mask
    from PIL import Image

    from phnet.errors import BadMask

    if not isinstance(mask, Image.Image):
        raise BadMask(
            f"mask: expected a path, a PIL image or a numpy array, got {type(mask).__name__}"
        )
    if "A" in mask.getbands():
        alpha = np.asarray(mask.getchannel("A"))
        if alpha.size and alpha.min() < 255:  # an alpha that is opaque everywhere says nothing
            return alpha
    return np.asarray(mask.convert("L"))
