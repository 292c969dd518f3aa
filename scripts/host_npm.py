"""The npm package, installed by npm, in Node and in headless chromium, against Python."""

import functools
import http.server
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any, ClassVar

import host

NODE = """\
import { mkdir, readFile, writeFile } from "node:fs/promises";
import * as phnet from "phnet";
import { cases, shaped } from "./check_npm.mjs";
const get = async (name) => shaped(name, new Uint8Array(await readFile(`given/${name}`)));
await mkdir("node", { recursive: true });
await cases(phnet, get, (name, { data }) => writeFile(`node/${name}`, data));
"""
PAGE = """\
<!doctype html><meta charset="utf-8">
<script type="importmap">{"imports": {
  "phnet": "./node_modules/phnet/index.js",
  "onnxruntime-web/wasm": "./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs"}}</script>
<script type="module">
const send = (name, body) => fetch(`browser/${name}`, { method: "POST", body });
try {
  const phnet = await import("phnet");
  const { cases, shaped } = await import("./check_npm.mjs");
  phnet.configure({ publicPath: "elsewhere" });
  const get = async (name) =>
    shaped(name, new Uint8Array(await (await fetch(`given/${name}`)).arrayBuffer()));
  await cases(phnet, get, (name, { data }) => send(name, data));
  await send("done", "passed");
} catch (error) {
  await send("done", String(error.stack ?? error));
}
</script>
"""
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)


class Handler(http.server.SimpleHTTPRequestHandler):
    """A static host that keeps what the page sends."""

    extensions_map: ClassVar = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
    }

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        """Keep a file."""
        target = Path(self.directory) / self.path.lstrip("/")
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        if target.name == "done":
            self.server.done.set()  # type: ignore[attr-defined]


def browser(project: Path) -> str:
    """Run the page; what it says at the end."""
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(project))
    ) as server:
        server.done = threading.Event()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with tempfile.TemporaryDirectory() as profile:
            address = f"http://127.0.0.1:{server.server_port}/check.html"
            command = [str(shutil.which("chromium")), *FLAGS.split(), f"--user-data-dir={profile}"]
            quiet = subprocess.DEVNULL
            started = subprocess.Popen([*command, address], stdout=quiet, stderr=quiet)
            ended = server.done.wait(900)  # type: ignore[attr-defined]
            started.terminate()
            started.wait(60)
        server.shutdown()
    if not ended:
        raise RuntimeError("the page did not end within 900 seconds")
    return (project / "browser" / "done").read_text()


def main() -> None:
    """Pack, install, run in both, compare."""
    work, python = host.folder("npm"), host.phnet().python
    project = work / "project"
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir()
    print(host.run(python, host.ROOT / "scripts" / "pack_npm.py", work / "package"), end="")
    packed = host.run("npm", "pack", "--silent", where=work / "package").split()[-1]
    (project / "package.json").write_text('{"name": "check", "private": true, "type": "module"}')
    quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    host.run("npm", "install", *quiet, work / "package" / packed, where=project)
    host.run(python, host.ROOT / "scripts" / "check_npm.py", "given", project)
    shutil.copy(host.ROOT / "scripts" / "check_npm.mjs", project)
    (project / "check_node.mjs").write_text(NODE)
    (project / "check.html").write_text(PAGE)
    print(host.run("node", "check_node.mjs", where=project), end="")
    print(host.run(python, host.ROOT / "scripts" / "check_npm.py", "node", project), end="")
    shutil.move(project / "node_modules" / "phnet" / "models", project / "elsewhere")
    if (said := browser(project)) != "passed":
        raise RuntimeError(said)
    print(host.run(python, host.ROOT / "scripts" / "check_npm.py", "browser", project), end="")


if __name__ == "__main__":
    main()
