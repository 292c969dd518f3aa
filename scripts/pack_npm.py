#!/usr/bin/env python3
"""Put the npm package together: scripts/pack_npm.py DIR (needs phnet with its extra 'page').

DIR gets integrations/npm, the two modules that it shares with the static page, and the networks
as whole graphs; ``npm publish DIR`` would publish it.
"""

import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = ("networks.js", "local-pictures.js", "transparency.js")


def main() -> int:
    """Return the exit status."""
    from phnet.version import __version__
    from phnet.web.static_site import model_files

    target = Path(sys.argv[1])
    source = ROOT / "integrations" / "npm"
    about = json.loads((source / "package.json").read_text())
    if about["version"] != __version__:
        print(f"package.json: expected version {__version__}, got {about['version']}")
        return 1
    shutil.rmtree(target, ignore_errors=True)
    (target / "models").mkdir(parents=True)
    files = [path for path in source.iterdir() if path.suffix in (".js", ".ts", ".json", ".md")]
    files += [ROOT / "src" / "phnet" / "web" / "page" / name for name in SHARED]
    files += [ROOT / "LICENSE", ROOT / "NOTICE"]
    for path in files:
        shutil.copy(path, target)
    for name, content in model_files([None]).items():
        (target / "models" / name).write_bytes(content)
    print(f"{target}: {sum(1 for path in target.rglob('*') if path.is_file())} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
