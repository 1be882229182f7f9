"""This machine's own way to packages: what pip, npm and TLS are told here, for a build stage.

Read from the machine at every build; none of it stands in the repository or stays in an image.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.command import output

AUTHORITIES = "/machine/authorities.pem"  # where the build stage finds them
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


@contextmanager
def build_volumes() -> Iterator[Mapping[Path, str]]:
    """Make what a build stage needs mounted: path here, path there."""
    with tempfile.TemporaryDirectory(prefix="vantage-build-") as folder:
        pip, npm = Path(folder, "pip.conf"), Path(folder, "npmrc")
        settings = pip_settings()
        bundle = Path(os.environ.get("SSL_CERT_FILE") or settings.get("cert") or BUNDLE)
        volumes = {folder: str(folder) for folder in local_folders(settings)}
        if bundle.is_file():
            volumes[bundle] = settings["cert"] = AUTHORITIES
        pip.write_text(pip_conf(settings))
        npm.write_text(npmrc(AUTHORITIES if bundle.is_file() else None))
        yield {**volumes, pip: "/etc/pip.conf", npm: "/root/.npmrc"}


def pip_settings() -> dict[str, str]:
    """Return what pip is told on this machine, by its files and by its environment."""
    said = output([sys.executable, "-m", "pip", "config", "list"])
    # SECTION.NAME='VALUE', the environment's last, as section :env:.
    lines = (line.partition("=") for line in said.splitlines())
    return {name.rpartition(".")[2]: str(ast.literal_eval(value)) for name, _, value in lines}


def pip_conf(settings: Mapping[str, str]) -> str:
    """Write settings as pip's configuration file; a list has one entry a line.

    Constraints are left out: their file is not there, and the locks leave nothing to constrain.
    """
    lines = (
        f"{name} = " + "\n    ".join(value.split())
        for name, value in settings.items()
        if name != "constraint"
    )
    return "\n".join(["[global]", *lines, ""])


def npmrc(authorities: str | None) -> str:
    """Return this user's npm settings, and where the authorities are."""
    own = Path.home() / ".npmrc"
    lines = own.read_text().splitlines() if own.is_file() else []
    if authorities:
        lines.append(f"cafile={authorities}")
    return "\n".join([*lines, ""])


def local_folders(settings: Mapping[str, str]) -> Iterator[Path]:
    """Return the folders that pip finds packages in, where its settings name some of this machine.

    An index is a folder of pages, and the files that they lead to lie beside it.
    """
    for name in ("index-url", "extra-index-url", "find-links"):
        for place in settings.get(name, "").split():
            folder = Path(re.sub(r"^file:/+", "/", place))
            if folder.is_absolute() and folder.is_dir():
                yield folder if name == "find-links" else folder.parent
