"""``phnet harmonize``: the pasted person's colors in tune with the photo."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phnet.cli import app
from phnet.cli.folders import AsJson, Jobs, Recursive, Resume, finds_people, note, work
from phnet.cli.options import LookFile, Reference, SaveLook, network_settings, takes
from phnet.cli.streams import check_folder, checked_target, name_of, say, sources
from phnet.options import HarmonizeOptions, NetworkOptions, cores

if TYPE_CHECKING:
    from phnet.batch.file_worker import Settings
    from phnet.batch.matching import Item


class Executor(StrEnum):
    """Executors of a folder's pictures."""

    threads = "threads"
    processes = "processes"
    ray = "ray"


CompositeFile = Annotated[
    Path,
    typer.Argument(
        help="The composite: PNG, JPEG, WebP, TIFF or HEIC; or a folder of them; or a "
        "manifest (.jsonl) that lists composites and masks; - is standard input.",
        show_default=False,
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        help="The picture to write: .png, .jpg, .webp or .tif; or a folder; - is standard output.",
        show_default=False,
    ),
]
MaskFile = Annotated[
    Path | None,
    typer.Argument(
        help="White (or opaque) where the pasted person is, or a folder of masks of the "
        "composites' names; without it, the person is found.",
        show_default=False,
    ),
]
SaveLut = Annotated[
    Path | None,
    typer.Option(help="Also write the look, at full strength, as a .cube file (sRGB)."),
]
SaveParts = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Also write a layer (linear light, 16 bits) there for each step."
    ),
]
FallbackMatte = Annotated[
    Path | None,
    typer.Option(
        "--matte",
        help="Another matting model, for when there is no mask.",
        show_default="the embedded one",
    ),
]
FolderEngine = Annotated[
    Executor,
    typer.Option(help="Of a folder: what runs the jobs; ray: over a cluster (extra 'scale')."),
]


@app.command()
@takes
def harmonize(
    composite: CompositeFile,
    output: Output,
    mask: MaskFile = None,
    *,
    options: HarmonizeOptions,
    save_lut: SaveLut = None,
    save_parts: SaveParts = None,
    reference: Reference = None,
    look: LookFile = None,
    save_look: SaveLook = None,
    network: NetworkOptions,
    matte: FallbackMatte = None,
    mask_too: Annotated[Path | None, typer.Option("--mask", help="The same as MASK.")] = None,
    jobs: Jobs = 1,
    engine: FolderEngine = Executor.threads,
    resume: Resume = False,
    recursive: Recursive = False,
    as_json: AsJson = False,
) -> None:
    """Make the person pasted into COMPOSITE belong there; the background stays as it is."""
    from phnet.batch.file_worker import Settings
    from phnet.errors import BadInput
    from phnet.images import quiet_readers

    quiet_readers()
    if mask and mask_too:
        raise BadInput(f"{mask_too}: expected one mask, got another: {mask}")
    mask = mask or mask_too
    settings = Settings(options, **network_settings(network, matte, reference, look))
    flags = {"--save-lut": save_lut, "--save-parts": save_parts, "--save-look": save_look}
    if not (composite.is_dir() or composite.suffix.lower() == ".jsonl"):
        _harmonize_one(composite, mask, output, settings, *flags.values())
        return
    check_folder("composite", output, flags)
    _harmonize_folder(composite, mask, output, settings, engine, jobs, resume, recursive, as_json)


def _harmonize_one(
    composite: Path,
    mask: Path | None,
    output: Path,
    settings: "Settings",
    save_lut: Path | None,
    save_parts: Path | None,
    save_look: Path | None,
) -> None:
    """Harmonize a file, or standard input."""
    from phnet.batch.file_worker import handed_in, harmonize_file

    destination, _ = checked_target(output, settings, [composite, mask], save_look)
    if save_lut:
        check_cube(save_lut)
    picture, its_mask = sources(composite, mask)
    assert picture is not None
    with settings.opening() as harmonizer:
        reference, look = handed_in(settings, settings.options.max_megapixels)
        done = harmonize_file(
            harmonizer,
            picture,
            its_mask,
            destination,
            settings.options,
            matter=settings.matter() if mask is None else None,
            save_lut=save_lut,
            reference=reference,
            look=look,
            save_look=save_look,
            save_parts=save_parts,
        )
    for sentence in done.notes:
        note(sentence)
    height, width = done.size
    share = f"{width}x{height}, {done.foreground:.0%} of it foreground, harmonized"
    say(f"{name_of(destination)}: {share}", destination)


def _harmonize_folder(
    composites: Path,
    masks: Path | None,
    output: Path,
    settings: "Settings",
    engine: Executor,
    jobs: int,
    resume: bool,
    recursive: bool,
    as_json: bool,
) -> None:
    """Harmonize each picture of a folder or manifest; exit code 1 if any failed."""
    from dataclasses import replace

    from phnet.batch.executors import load_ray
    from phnet.batch.file_worker import FileWorker
    from phnet.batch.matching import passed_over
    from phnet.harmonization.harmonize_picture import FOUND

    if engine is Executor.ray:
        load_ray()  # before anything is written
    items = _items(composites, masks, output, engine, recursive)
    finds = finds_people(items)
    if composites.is_dir() and (sentence := passed_over(composites, recursive)):
        note(sentence)
    if finds:
        note(f"{composites}: {FOUND}")
    # Actors reserve the threads they use; here the cores are shared among the jobs.
    shared = 1 if engine is Executor.ray else max(1, cores() // jobs)
    settings = replace(settings, threads=settings.threads or shared, finds_people=finds)
    if engine is not Executor.threads:
        if engine is Executor.ray:
            settings = _for_other_machines(settings)
        FileWorker(settings)  # what is wrong with the models is told once, here
    work(
        *(items, FileWorker, settings, output, "harmonized"),
        engine=engine.value,
        jobs=jobs,
        resume=resume,
        as_json=as_json,
    )


def _items(
    composites: Path, masks: Path | None, output: Path, engine: Executor, recursive: bool
) -> "list[Item]":
    """List the items; the folder of results is made, with a manifest for Ray's actors."""
    from phnet.batch.folders import MANIFEST, read_manifest, write_manifest
    from phnet.batch.matching import match
    from phnet.errors import BadInput
    from phnet.files import make_folder

    if engine is Executor.ray:  # a worker elsewhere starts in another folder
        composites, output = composites.resolve(), output.resolve()
        masks = masks.resolve() if masks else None
    if composites.is_dir():
        items = match(composites, masks, output, recursive)
    elif masks is not None:
        raise BadInput(f"{masks}: expected no masks beside a manifest, which names them")
    else:
        items = read_manifest(composites, output)
    make_folder(output)
    if engine is Executor.ray and composites != output / MANIFEST:
        write_manifest(items, output)
    return items


def _for_other_machines(settings: "Settings") -> "Settings":
    """The same settings, with files named from the root of the file system."""
    from dataclasses import replace

    model, matte = settings.model, settings.matte
    return replace(
        settings,
        model=str(Path(model).resolve()) if model and Path(model).is_file() else model,
        matte=str(Path(matte).resolve()) if matte else None,
        reference=str(Path(settings.reference).resolve()) if settings.reference else None,
        look=str(Path(settings.look).resolve()) if settings.look else None,
    )


def check_cube(path: Path) -> None:
    """Refuse, before any work, a place where a ``.cube`` file cannot go."""
    from phnet.errors import BadOutput

    if path.suffix.lower() != ".cube":
        raise BadOutput(f"{path}: expected a name that ends in .cube")
    if path.is_dir() or not path.parent.is_dir():
        raise BadOutput(f"{path}: expected a file name in an existing folder")
