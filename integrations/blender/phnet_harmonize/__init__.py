"""Image > Harmonize Person in the image editor: PHNet in Blender.

The image shown is the composite; another image is the mask (white: the person), else phnet finds
the person. The result is a new image, packed into the file. The work is done by the installed
``phnet`` command (or the one that the variable PHNET names), so that nothing is installed into
Blender's Python.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import bpy
import numpy as np

MISSING = (
    "PHNet: expected the command phnet, but it is not installed. Install it with "
    "'pipx install phnet', or let the variable PHNET name it."
)
NUMBERS = (  # name, label, tooltip, lowest, highest, default: as docs/options.md has them
    ("light", "Light", "How much of the scene's light the person takes on", 0, 1, 0.95),
    ("strength", "Strength", "How much of the change to take; above 1 it goes on", 0, 2, 1),
    ("exposure", "Exposure", "Brighter or darker after the match, in stops", -3, 3, 0),
    ("warmth", "Warmth", "Warmer or colder after the match; 1 is 100 mireds", -1, 1, 0),
)
LIFTS = (
    ("auto", "Automatic (follows the place)"),
    ("guided", "Guided (a map fitted again)"),
    ("lut", "One color table"),
    ("none", "None (the network's own)"),
)


class FailedError(Exception):
    """What the user is told."""


def phnet() -> str:
    """The command."""
    home = Path.home() / ".local" / "bin"
    found = os.environ.get("PHNET") or shutil.which("phnet") or shutil.which("phnet", path=home)
    if not found:
        raise FailedError(MISSING)
    return found


def write(image: bpy.types.Image, path: Path) -> None:
    """Write an image's own bytes as a PNG."""
    width, height = image.size
    if not width * height:
        raise FailedError(f"PHNet: {image.name}: expected an image with pixels")
    if image.is_float:
        raise FailedError(f"PHNet: {image.name}: expected an image of 8 bits, got floats")
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    # Painted or packed, the pixels are those that are seen, whatever the file on disk has.
    copy = bpy.data.images.new("phnet", width, height, alpha=image.depth == 32)
    try:
        copy.colorspace_settings.name = image.colorspace_settings.name
        copy.pixels.foreach_set(values)
        copy.filepath_raw, copy.file_format = str(path), "PNG"
        copy.save()
    finally:
        bpy.data.images.remove(copy)


def harmonized(image: bpy.types.Image, mask: bpy.types.Image | None, words: list[str]) -> str:
    """The name of the new image.

    Raises:
        FailedError: it cannot be; says why.
    """
    with tempfile.TemporaryDirectory(prefix="phnet-") as folder:
        here = Path(folder)
        result = here / "harmonized.png"
        write(image, here / "composite.png")
        command = [phnet(), "harmonize", str(here / "composite.png")]
        if mask is not None:
            write(mask, here / "mask.png")
            command.append(str(here / "mask.png"))
        ours = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        command += ["-o", str(result), *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=ours, check=False)
        except OSError as error:
            raise FailedError(f"PHNet: {command[0]} cannot be run ({error.strerror})") from error
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            raise FailedError(lines[-1] if lines else f"phnet ended with {done.returncode}")
        made = bpy.data.images.load(str(result))
        made.name = f"{Path(image.name).stem} harmonized"
        made.colorspace_settings.name = image.colorspace_settings.name
        made.pack()
        made.filepath_raw = ""
        return made.name


class HarmonizePerson(bpy.types.Operator):
    """Make a pasted person's colors belong to the photo"""  # noqa: D415 - Blender's tooltip

    bl_idname = "image.phnet_harmonize"
    bl_label = "Harmonize Person"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012 - as Blender has it

    image: bpy.props.StringProperty(name="Image", description="The composite")
    mask: bpy.props.StringProperty(name="Mask", description="White: the person; none: it is found")
    lift: bpy.props.EnumProperty(
        name="Lift",
        description="How the network's small result comes to full size",
        items=[(name, label, "") for name, label in LIFTS],
        default="auto",
    )

    def invoke(self, context, _event):
        """Take the image that is shown, and ask."""
        shown = getattr(context.space_data, "image", None)
        self.image = shown.name if shown else ""
        return context.window_manager.invoke_props_dialog(self)

    def draw(self, _context):
        """The dialog."""
        self.layout.prop_search(self, "mask", bpy.data, "images")
        for name in (*(name for name, *_ in NUMBERS), "lift"):
            self.layout.prop(self, name)

    def execute(self, context):
        """Work, and show the new image."""
        image = bpy.data.images.get(self.image)
        mask = bpy.data.images.get(self.mask) if self.mask else None
        try:
            if image is None:
                raise FailedError("PHNet: expected an image in the image editor")
            if self.mask and mask is None:
                raise FailedError(f"PHNet: mask: there is no image {self.mask!r}")
            words = [f"--{name}={getattr(self, name):.6g}" for name, *_ in NUMBERS]
            made = harmonized(image, mask, [*words, f"--lift={self.lift}"])
        except FailedError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if hasattr(context.space_data, "image"):
            context.space_data.image = bpy.data.images[made]
        self.report({"INFO"}, f"PHNet: {made}")
        return {"FINISHED"}


for _name, _label, _about, _low, _high, _default in NUMBERS:
    HarmonizePerson.__annotations__[_name] = bpy.props.FloatProperty(
        name=_label, description=_about, min=_low, max=_high, default=_default
    )


def menu(self, _context):
    """The entry in the image editor's menu."""
    self.layout.separator()
    self.layout.operator(HarmonizePerson.bl_idname, text="Harmonize Person...")


def register():
    """See Blender."""
    bpy.utils.register_class(HarmonizePerson)
    bpy.types.IMAGE_MT_image.append(menu)


def unregister():
    """See Blender."""
    bpy.types.IMAGE_MT_image.remove(menu)
    bpy.utils.unregister_class(HarmonizePerson)
