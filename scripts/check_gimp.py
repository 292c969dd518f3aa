"""Run within gimp-console by host_gimp.py: the plug-in against the command line, by pixels."""

import os
import subprocess
import sys
from pathlib import Path

import gi

gi.require_version("Gegl", "0.4")
gi.require_version("Gimp", "3.0")
from gi.repository import Gegl, Gimp, Gio  # noqa: E402

HERE = Path("/srv/test")
WORDS = {"light": 0.6, "strength": 0.8, "exposure": 0.25, "warmth": -0.25}


def say(text):
    """A line of the log."""
    print("check:", text, flush=True)


def load(name):
    """An image from a file beside this one."""
    return Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(HERE / name)))


def save(image, name):
    """What an image shows, as PNG."""
    copy = image.duplicate()
    copy.flatten()
    target = Gio.File.new_for_path(str(HERE / name))
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, copy, target, None)
    copy.delete()


def pixels(image, layout="R'G'B' u8"):
    """What an image shows, as bytes."""
    copy = image.duplicate()
    flat = copy.flatten()
    area = Gegl.Rectangle.new(0, 0, flat.get_width(), flat.get_height())
    found = bytes(flat.get_buffer().get(area, 1.0, layout, Gegl.AbyssPolicy.CLAMP))
    copy.delete()
    return found


def plug_in(image, layer, **words):
    """Call the plug-in as the menu does, without its dialog."""
    procedure = Gimp.get_pdb().lookup_procedure("plug-in-phnet-harmonize")
    assert procedure, "the plug-in is not there"
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    config.set_core_object_array("drawables", [layer])
    for name, value in words.items():
        config.set_property(name, value)
    result = procedure.run(config)
    return result.index(0), Gimp.get_pdb().get_last_error()


def command_line(composite, mask, output, **words):
    """The same by phnet itself."""
    flags = [f"--{name}={value!r}" for name, value in words.items()]
    masks = [str(HERE / mask)] if mask else []
    command = [os.environ["PHNET"], "harmonize", str(HERE / composite), *masks]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    subprocess.run([*command, "-o", str(HERE / output), *flags], check=True, env=clean)
    return load(output)


def apart(image, other):
    """The largest difference of what two images show, in levels, and how many pixels differ."""
    a, b = pixels(image), pixels(other)
    assert len(a) == len(b), (len(a), len(b))
    if a == b:
        return 0
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


def compared(what, image, layer, mask, before):
    """Call the plug-in and compare with the command line."""
    count = len(image.get_layers())
    save(before, "before.png")
    status, error = plug_in(image, layer, **WORDS)
    assert status == Gimp.PDBStatusType.SUCCESS, error
    assert len(image.get_layers()) == count + 1, "expected one layer more"
    assert image.get_layers()[0].get_name() == "Harmonized"
    expected = command_line("before.png", mask, "expected.png", **WORDS)
    found = apart(image, expected)
    changed = apart(image, before)
    say(f"{what}: {found} levels from the command line, {changed} from what was before")
    assert found == 0, found
    assert changed > 20, changed


def gray_of(image):
    """A channel of an image that holds the mask's values."""
    other = load("mask.png")
    if other.get_base_type() != Gimp.ImageBaseType.GRAY:
        other.convert_grayscale()
    layer = other.get_layers()[0]
    area = Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height())
    values = layer.get_buffer().get(area, 1.0, "Y' u8", Gegl.AbyssPolicy.CLAMP)
    channel = Gimp.Channel.new(
        image, "mask", layer.get_width(), layer.get_height(), 100, Gegl.Color.new("black")
    )
    image.insert_channel(channel, None, 0)
    channel.get_buffer().set(area, channel_layout(channel), bytes(values))
    return channel


def channel_layout(channel):
    """The channel's samples in 8 bits, whatever its own."""
    return "Y u8" if "Y'" not in str(channel.get_format()) else "Y' u8"


def selection():
    """A flat picture and a selection."""
    image = load("composite.jpg")
    before = image.duplicate()
    channel = gray_of(image)
    image.select_item(Gimp.ChannelOps.REPLACE, channel)
    image.remove_channel(channel)
    compared("selection", image, image.get_layers()[0], "mask.png", before)
    assert not Gimp.Selection.is_empty(image), "the selection was lost"


def layer_mask():
    """A person with a layer mask above a background, and a layer above that must not be seen."""
    image = load("background.jpg")
    person = Gimp.Layer.new_from_drawable(load("composite.jpg").get_layers()[0], image)
    image.insert_layer(person, None, 0)
    channel = gray_of(image)
    mask = person.create_mask(Gimp.AddMaskType.WHITE)
    person.add_mask(mask)
    w, h = person.get_width(), person.get_height()
    area = Gegl.Rectangle.new(0, 0, w, h)
    values = channel.get_buffer().get(area, 1.0, channel_layout(channel), Gegl.AbyssPolicy.CLAMP)
    mask.get_buffer().set(area, channel_layout(mask), bytes(values))
    image.remove_channel(channel)
    image.crop(w, h, 0, 0) if image.get_width() > w or image.get_height() > h else None
    before = image.duplicate()
    compared("layer mask", image, person, "mask.png", before)


def alpha():
    """A cut-out whose alpha is the mask, below a layer that must stay out."""
    image = load("composite.jpg")
    below = image.get_layers()[0]
    person = below.copy()
    person.add_alpha()
    image.insert_layer(person, None, 0)
    w, h = image.get_width(), image.get_height()
    area = Gegl.Rectangle.new(0, 0, w, h)
    rgba = bytearray(person.get_buffer().get(area, 1.0, "R'G'B'A u8", Gegl.AbyssPolicy.CLAMP))
    channel = gray_of(image)
    values = channel.get_buffer().get(area, 1.0, channel_layout(channel), Gegl.AbyssPolicy.CLAMP)
    rgba[3::4] = values
    person.get_buffer().set(area, "R'G'B'A u8", bytes(rgba))
    image.remove_channel(channel)
    before = image.duplicate()
    compared("alpha", image, person, "mask.png", before)


def nothing():
    """Without any mask the person is found."""
    image = load("composite.jpg")
    before = image.duplicate()
    compared("no mask", image, image.get_layers()[0], None, before)


def refused():
    """What phnet refuses is told in its sentence, and no layer comes."""
    image = load("composite.jpg")
    image.scale(4, 4)
    status, error = plug_in(image, image.get_layers()[0])
    assert status == Gimp.PDBStatusType.EXECUTION_ERROR, status
    assert "phnet: " in error, error
    assert len(image.get_layers()) == 1
    say(f"refused: {error}")


try:
    for check in (selection, layer_mask, alpha, nothing, refused):
        check()
    say("all passed")
except BaseException:
    import traceback

    traceback.print_exc(file=sys.stdout)
    sys.stdout.flush()
