#!/usr/bin/env python3
"""Filters > Enhance > Harmonize Person: PHNet in GIMP 3.

The mask is the selection, else the active layer's mask, else its alpha; where there is none of
these, phnet finds the person. The active layer and what lies below it are the composite. The
result is a layer above, and one step to undo. The work is done by the installed ``phnet``
command (or the one that the variable PHNET names), so that nothing is installed into GIMP.
"""

import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import gi

gi.require_version("Gegl", "0.4")
gi.require_version("Gimp", "3.0")
from gi.repository import Gegl, Gimp, Gio, GLib, GObject  # noqa: E402

NAME = "plug-in-phnet-harmonize"
MISSING = (
    "PHNet: expected the command phnet, but it is not installed. Install it with "
    "'pipx install phnet', or let the variable PHNET name it."
)
NUMBERS = (  # name, label, tooltip, lowest, highest, default: as docs/options.md has them
    ("light", "_Light", "How much of the scene's light the person takes on", 0, 1, 0.95),
    ("strength", "_Strength", "How much of the change to take; above 1 it goes on", 0, 2, 1),
    ("exposure", "_Exposure", "Brighter or darker after the match, in stops", -3, 3, 0),
    ("warmth", "_Warmth", "Warmer or colder after the match; 1 is 100 mireds", -1, 1, 0),
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


# -- pixels ---------------------------------------------------------------------------------


def write_mask(path: Path, pixels: bytes, width: int, height: int, deep: bool) -> None:
    """Write gray samples as a PNG; of 16 bits in this machine's byte order."""
    if deep and sys.byteorder == "little":
        pixels = swapped(pixels)
    row = width * (2 if deep else 1)
    lines = b"".join(b"\0" + pixels[i : i + row] for i in range(0, len(pixels), row))
    head = struct.pack(">IIBBBBB", width, height, 16 if deep else 8, 0, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(lines, 1)), (b"IEND", b"")]
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, content in parts:
            file.write(struct.pack(">I", len(content)) + name + content)
            file.write(struct.pack(">I", zlib.crc32(name + content)))


def swapped(pixels: bytes) -> bytes:
    """The two bytes of each sample in the other order."""
    other = bytearray(pixels)
    other[::2], other[1::2] = pixels[1::2], pixels[::2]
    return bytes(other)


def whole(drawable: Gimp.Drawable) -> Gegl.Rectangle:
    """The area of a drawable."""
    return Gegl.Rectangle.new(0, 0, drawable.get_width(), drawable.get_height())


# -- what GIMP has --------------------------------------------------------------------------


def way_to(image: Gimp.Image, layer: Gimp.Layer) -> list[int]:
    """Where a layer is: positions from the top of the tree down to it."""
    way, item = [], layer
    while item:
        way.insert(0, image.get_item_position(item))
        item = item.get_parent()
    return way


def write_composite(path: Path, image: Gimp.Image, layer: Gimp.Layer) -> None:
    """Write the layer and what lies below it as a PNG, as they show, with the color profile.

    What lies above is left out. 16 bits a sample, where the image has more than 8.
    """
    way, copy = way_to(image, layer), image.duplicate()
    try:
        Gimp.Selection.none(copy)
        layers = copy.get_layers()
        for step in way:
            item = layers[step]
            for above in layers[:step]:
                copy.remove_layer(above)
            item.set_visible(True)
            layers = item.get_children() if item.is_group() else []
        copy.flatten()
        if copy.get_base_type() == Gimp.ImageBaseType.GRAY:
            copy.convert_rgb()
        export = Gimp.get_pdb().lookup_procedure("file-png-export")
        config = export.create_config()
        config.set_property("image", copy)
        config.set_property("file", Gio.File.new_for_path(str(path)))
        config.set_property("compression", 1)
        config.set_property("include-color-profile", copy.get_color_profile() is not None)
        if export.run(config).index(0) != Gimp.PDBStatusType.SUCCESS:
            raise FailedError(f"PHNet: {path}: {Gimp.get_pdb().get_last_error()}")
    finally:
        copy.delete()


def mask_of(image: Gimp.Image, layer: Gimp.Layer, layout: str) -> bytes | None:
    """Where the person is: selection, layer mask with alpha, or alpha; None: nothing says so."""
    copy = image.duplicate()
    try:
        if Gimp.Selection.is_empty(copy):
            one, layers = None, copy.get_layers()
            for step in way_to(image, layer):
                one = layers[step]
                layers = one.get_children() if one.is_group() else []
            mask = one.get_mask()
            if not mask and not one.has_alpha():
                return None
            Gimp.context_set_feather(False)
            copy.select_item(Gimp.ChannelOps.REPLACE, one)
            if mask:
                copy.select_item(Gimp.ChannelOps.INTERSECT, mask)
        # The selection itself: a channel made of it is nonlinear in pictures of 8 bits.
        chosen = copy.get_selection()
        buffer = chosen.get_buffer()
        found = bytes(buffer.get(whole(chosen), 1.0, layout, Gegl.AbyssPolicy.CLAMP))
        return None if found.count(0xFF) == len(found) else found
    finally:
        copy.delete()


# -- the work -------------------------------------------------------------------------------


def harmonized(
    image: Gimp.Image, layer: Gimp.Layer, words: list[str]
) -> tuple[Gimp.Layer, bytes | None, bool]:
    """The result as a layer that is not yet in the image; its mask, and whether that is deep."""
    deep = image.get_precision() not in (Gimp.Precision.U8_LINEAR, Gimp.Precision.U8_NON_LINEAR)
    kind, width, height = "u16" if deep else "u8", image.get_width(), image.get_height()
    mask = mask_of(image, layer, "Y " + kind)
    with tempfile.TemporaryDirectory(prefix="phnet-") as folder:
        here = Path(folder)
        write_composite(here / "composite.png", image, layer)
        command = [phnet(), "harmonize", str(here / "composite.png")]
        if mask is not None:
            write_mask(here / "mask.png", mask, width, height, deep)
            command.append(str(here / "mask.png"))
        ours = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        command += ["-o", str(here / "harmonized.png"), *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=ours, check=False)
        except OSError as error:
            raise FailedError(f"PHNet: {command[0]} cannot be run ({error.strerror})") from error
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            raise FailedError(lines[-1] if lines else f"phnet ended with {done.returncode}")
        return layer_from(here / "harmonized.png", image), mask, deep


def layer_from(path: Path, image: Gimp.Image) -> Gimp.Layer:
    """A picture as a layer that is not yet in the image."""
    loaded = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(path)))
    try:
        layer = Gimp.Layer.new_from_drawable(loaded.get_layers()[0], image)
    finally:
        loaded.delete()
    layer.set_name("Harmonized")
    return layer


def cut_out(layer: Gimp.Layer, mask: bytes, deep: bool) -> None:
    """Make a layer, which is in an image, transparent where the mask is 0."""
    if deep:
        mask = bytes(a | b for a, b in zip(mask[::2], mask[1::2], strict=True))
    if not layer.has_alpha():
        layer.add_alpha()
    inside = layer.create_mask(Gimp.AddMaskType.WHITE)
    layer.add_mask(inside)
    inside.get_buffer().set(whole(inside), "Y u8", mask.translate(bytes([0] + [255] * 255)))
    layer.remove_mask(Gimp.MaskApplyMode.APPLY)


class PHNet(Gimp.PlugIn):
    """The plug-in as GIMP knows it."""

    def do_query_procedures(self):
        """See GIMP."""
        return [NAME]

    def do_set_i18n(self, _name):
        """No translations."""
        return False

    def do_create_procedure(self, name):
        """The entry in the menu and its options."""
        made = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, self.run, None)
        made.set_image_types("RGB*, GRAY*")
        made.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE)
        made.set_menu_label("_Harmonize Person...")
        made.add_menu_path("<Image>/Filters/Enhance")
        about = "Make a pasted person's colors belong to the photo"
        made.set_documentation(about, __doc__, name)
        made.set_attribution("PHNet contributors", "PHNet contributors", "2026")
        both = GObject.ParamFlags.READWRITE
        for option in NUMBERS:
            made.add_double_argument(*option, both)
        choice = Gimp.Choice.new()
        for number, (nick, label) in enumerate(LIFTS):
            choice.add(nick, number, label, "")
        about = "How the network's small result comes to full size"
        made.add_choice_argument("lift", "L_ift", about, choice, "auto", both)
        return made

    def run(self, procedure, run_mode, image, drawables, config, _data):
        """Ask, work, put the layer in."""
        failed = Gimp.PDBStatusType.EXECUTION_ERROR
        if run_mode == Gimp.RunMode.INTERACTIVE and not asked(procedure, config):
            return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, GLib.Error())
        try:
            layer = drawables[0] if len(drawables) == 1 else None
            if isinstance(layer, Gimp.LayerMask):
                layer = Gimp.Layer.from_mask(layer)
            if not isinstance(layer, Gimp.Layer):
                raise FailedError("PHNet: expected one active layer")
            Gimp.progress_init("Harmonizing")
            words = [f"--{n}={config.get_property(n)!r}" for n, *_ in NUMBERS]
            words.append(f"--lift={config.get_property('lift')}")
            new, mask, deep = harmonized(image, layer, words)
        except FailedError as error:
            return procedure.new_return_values(failed, GLib.Error(str(error)))
        image.undo_group_start()
        try:
            image.insert_layer(new, layer.get_parent(), image.get_item_position(layer))
            if mask is not None:
                cut_out(new, mask, deep)
        finally:
            image.undo_group_end()
        Gimp.displays_flush()
        return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())


def asked(procedure, config) -> bool:
    """Show the dialog; whether the user wants it done."""
    gi.require_version("GimpUi", "3.0")
    from gi.repository import GimpUi

    GimpUi.init(NAME)
    dialog = GimpUi.ProcedureDialog.new(procedure, config, "Harmonize Person")
    for name, *_ in NUMBERS:
        dialog.get_scale_entry(name, 1.0)
    dialog.fill(None)
    wanted = dialog.run()
    dialog.destroy()
    return wanted


Gimp.main(PHNet.__gtype__, sys.argv)
