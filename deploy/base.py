"""Debian from this machine's own mirror: for a bare machine, and as a base image like the slim one.

Only Buildah needs the image, on a machine that may not reach an image registry.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from collector.debian.mirror import machine_mirrors
from collector.debian.signature import archive_keyrings
from deploy.command import output, works

IMAGE = "localhost/vantage-base"
CODENAME = "trixie"
# What Debian's own slim image leaves out.
LEFT_OUT = ("doc", "info", "locale", "man")
MAKE_S = 600
# What root mounts on the way nobody else sees; it ends with what is running, however that ends.
ALONE = ("unshare", "--mount-proc", "--pid", "--fork", "--kill-child")


def base_image() -> str:
    """Return the image to build on: the one that BASE names, or ours, made where it is missing.

    Raises: CommandError.
    """
    if named := os.environ.get("BASE"):
        return named
    if not works(["buildah", "inspect", "--type=image", IMAGE]):
        with tempfile.TemporaryDirectory(prefix="vantage-base-") as folder:
            tar = Path(folder, "base.tar")
            slim = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT]
            bootstrap(CODENAME, tar, *slim)
            _import(tar)
    return IMAGE


def bootstrap(codename: str, to: Path, *options: str) -> None:
    """Put the least that is a Debian into a tar file or a directory; options are mmdebstrap's.

    Raises: CommandError.
    """
    mirror = os.environ.get("VANTAGE_MIRROR") or next(iter(machine_mirrors()), None)
    keyrings = [f"--keyring={keyring}" for keyring in archive_keyrings()]
    words = ["mmdebstrap", "--variant=minbase", *keyrings, *options, codename, str(to)]
    if os.geteuid() == 0:  # for anyone else it makes such a place itself
        words = [*ALONE, *words]
    output([*words, mirror] if mirror else words, timeout_s=MAKE_S)


def _import(tar: Path) -> None:
    container = output(["buildah", "from", "scratch"])
    try:
        output(["buildah", "add", "--quiet", container, str(tar), "/"], timeout_s=MAKE_S)
        output(["buildah", "commit", "--quiet", container, IMAGE], timeout_s=MAKE_S)
    finally:
        output(["buildah", "rm", container])
