"""The plug-in in GIMP 3.0.4 of Debian trixie, in a chroot; needs root and mmdebstrap.

phnet itself goes into an environment of its own there: nothing is installed into GIMP's Python.
"""

import os
import shutil
from pathlib import Path

import host

PACKAGES = "gimp,python3,python3-gi,gir1.2-gimp-3.0"
MIRROR = "http://deb.debian.org/debian"
SETTINGS = "root/.config/GIMP/3.0/plug-ins"


def inside(root: Path, *command: str, **more: str) -> str:
    """What a command prints in the chroot."""
    clean = {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        **more,
    }
    return host.run("chroot", root, *command, env=clean)


def installed(work: Path) -> Path:
    """The chroot."""
    root = work / "root"
    if not (work / "made").exists():
        if os.geteuid() or not shutil.which("mmdebstrap"):
            raise RuntimeError("expected root and mmdebstrap (apt-get install mmdebstrap)")
        shutil.rmtree(root, ignore_errors=True)
        host.run("mmdebstrap", "--variant=apt", f"--include={PACKAGES}", "trixie", root, MIRROR)
        (work / "made").touch()
    return root


def install_phnet(root: Path, work: Path) -> None:
    """Install phnet in an environment of the chroot; its packages are fetched from outside."""
    wheel, store = host.wheel(work), root / "srv" / "wheels"
    if not list(store.glob("pip-*.whl")):
        words = ["download", "--quiet", "--only-binary=:all:", "--python-version", "3.13", "-d"]
        host.Environment(work / "pip").pip(*words, store, wheel, "pip")
    for old in store.glob("phnet-*.whl"):
        old.unlink()
    shutil.copy(wheel, store)
    (pip,) = store.glob("pip-*.whl")
    inside(root, "python3", "-m", "venv", "--without-pip", "/srv/phnet")
    words = ["install", "--no-index", "--find-links=/srv/wheels", "phnet"]
    run = ["/srv/phnet/bin/python", f"/srv/wheels/{pip.name}/pip"]
    inside(root, *run, *words)
    inside(root, *run, *words, "--force-reinstall", "--no-deps")


def packages(root: Path) -> str:
    """What is installed beside GIMP: Debian's packages, and what its Python sees."""
    code = "from importlib import metadata as m; print(sorted(d.name for d in m.distributions()))"
    return inside(root, "dpkg-query", "-W") + inside(root, "python3", "-c", code)


def main() -> None:
    """Install, run the plug-in in gimp-console on each kind of mask, compare pixels."""
    work = host.folder("gimp")
    root = installed(work)
    before = packages(root)
    install_phnet(root, work)
    plug_in = root / SETTINGS / "phnet-harmonize"
    shutil.rmtree(plug_in, ignore_errors=True)
    shutil.copytree(host.ROOT / "integrations" / "gimp" / "phnet-harmonize", plug_in)
    if packages(root) != before:
        raise RuntimeError("expected GIMP's system to stay as it is, but packages changed")
    shutil.rmtree(root / "srv" / "test", ignore_errors=True)
    shutil.copytree(host.EXAMPLES, root / "srv" / "test")
    shutil.copy(host.ROOT / "scripts" / "check_gimp.py", root / "srv" / "test")
    print(inside(root, "gimp-console", "--version").strip())
    check(root, work / "host.log", "all", "/srv/phnet/bin/phnet")
    check(root, work / "missing.log", "missing", "/srv/none/phnet")


def check(root: Path, log: Path, checks: str, phnet: str) -> None:
    """Run checks of check_gimp.py in gimp-console, with ``phnet`` as the plug-in's command."""
    code = "exec(open('/srv/test/check_gimp.py').read())"
    words = ["-i", "--batch-interpreter=python-fu-eval", "-b", code, "--quit"]
    try:
        log.write_text(inside(root, "gimp-console", *words, PHNET=phnet, CHECKS=checks))
    except RuntimeError as error:
        log.write_text(str(error))
        raise
    lines = [line for line in log.read_text().splitlines() if line.startswith("check: ")]
    print("\n".join(lines), flush=True)
    if not lines or lines[-1] != "check: all passed":
        raise RuntimeError(f"expected all checks to pass:\n{log.read_text()[-3000:]}")


if __name__ == "__main__":
    main()
