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
    export = Gimp.get_pdb().lookup_procedure("file-png-export")
    config = export.create_config()
    config.set_property("image", copy)
    config.set_property("file", Gio.File.new_for_path(str(HERE / name)))
    config.set_property("include-color-profile", True)
    assert export.run(config).index(0) == Gimp.PDBStatusType.SUCCESS
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
    """The largest difference of what two images show, in levels."""
    a, b = pixels(image), pixels(other)
    assert len(a) == len(b), (len(a), len(b))
    return 0 if a == b else max(abs(x - y) for x, y in zip(a, b, strict=True))


def compared(what, image, layer, mask, before):
    """Call the plug-in and compare with the command line."""
    others = image.get_layers()
    save(before, "before.png")
    status, error = plug_in(image, layer, **WORDS)
    assert status == Gimp.PDBStatusType.SUCCESS, error
    at = others.index(layer)
    (new,) = [one for one in image.get_layers() if one not in others]
    expected_order = [*others[:at], new, *others[at:]]
    assert image.get_layers() == expected_order, "expected the new layer above the active one"
    assert new.get_name() == "Harmonized"
    for above in others[:at]:
        above.set_visible(False)
    expected = command_line("before.png", mask, "expected.png", **WORDS)
    found, changed = apart(image, expected), apart(image, before)
    say(f"{what}: {found} levels from the command line, {changed} from what was before")
    assert found == 0, found
    assert changed > 20, changed


def whole(drawable):
    """The area of a drawable."""
    return Gegl.Rectangle.new(0, 0, drawable.get_width(), drawable.get_height())


def mask_values():
    """The mask's bytes as they are in the file."""
    layer = load("mask.png").get_layers()[0]
    return bytes(layer.get_buffer().get(whole(layer), 1.0, "Y' u8", Gegl.AbyssPolicy.CLAMP))


def selection():
    """A flat picture and a selection."""
    image = load("composite.jpg")
    before, values = image.duplicate(), mask_values()
    channel = Gimp.Channel.new(
        image, "mask", image.get_width(), image.get_height(), 100, Gegl.Color.new("black")
    )
    image.insert_channel(channel, None, 0)
    channel.get_buffer().set(whole(channel), "Y' u8", values)  # as channels of 8 bits are
    image.select_item(Gimp.ChannelOps.REPLACE, channel)
    image.remove_channel(channel)
    soft = next(i for i, value in enumerate(values) if 100 < value < 150)
    y, x = divmod(soft, image.get_width())
    assert Gimp.Selection.value(image, x, y) == values[soft], "the selection is not the mask"
    compared("selection", image, image.get_layers()[0], "mask.png", before)
    assert not Gimp.Selection.is_empty(image), "the selection was lost"


def layer_mask():
    """A person with a layer mask above a background, in Adobe RGB."""
    image = load("background.jpg")
    composite = load("composite.jpg").get_layers()[0]
    profile = image.get_color_profile()
    assert profile, "expected the example's own profile"
    assert "Adobe RGB" in profile.get_label(), profile.get_label()
    image.scale(composite.get_width(), composite.get_height())
    person = Gimp.Layer.new_from_drawable(composite, image)
    image.insert_layer(person, None, 0)
    mask = person.create_mask(Gimp.AddMaskType.WHITE)
    person.add_mask(mask)
    mask.get_buffer().set(whole(mask), "Y u8", mask_values())  # as masks of 8 bits are
    compared("layer mask", image, person, "mask.png", image.duplicate())


def alpha():
    """A cut-out whose alpha is the mask, below a layer that must stay out."""
    image = load("composite.jpg")
    person = image.get_layers()[0].copy()
    person.add_alpha()
    image.insert_layer(person, None, 0)
    layout = "R'G'B'A u8"
    rgba = bytearray(person.get_buffer().get(whole(person), 1.0, layout, Gegl.AbyssPolicy.CLAMP))
    rgba[3::4] = mask_values()
    person.get_buffer().set(whole(person), layout, bytes(rgba))
    before, cover = image.duplicate(), image.get_layers()[-1].copy()
    image.insert_layer(cover, None, 0)
    cover.fill(Gimp.FillType.WHITE)
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


def missing():
    """Without the command, a sentence says how to get it."""
    image = load("composite.jpg")
    status, error = plug_in(image, image.get_layers()[0])
    assert status == Gimp.PDBStatusType.EXECUTION_ERROR, status
    assert error.startswith(f"PHNet: {os.environ['PHNET']} cannot be run"), error
    say(f"missing: {error}")


CHECKS = {"all": (selection, layer_mask, alpha, nothing, refused), "missing": (missing,)}
try:
    for check in CHECKS[os.environ["CHECKS"]]:
        check()
    say("all passed")
except BaseException:
    import traceback

    traceback.print_exc(file=sys.stdout)
    sys.stdout.flush()
