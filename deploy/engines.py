"""What builds images and runs containers: Docker or Podman, or Buildah, which needs no daemon.

Containers here share the machine's network. What a container was started for ends on SIGTERM.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploy.base import base_image
from deploy.command import CommandError, output, works
from deploy.machine import build_volumes

ROOT = Path(__file__).parent.parent
BUILD_S = 1200

NO_ENGINE = (
    "No container engine works here: Docker does not answer, Podman is not installed, and neither"
    " is Buildah with mmdebstrap. On Debian: apt-get install buildah mmdebstrap"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where several programs of one image run, one after another or at once, and keep state."""

    run: Sequence[str]
    program: Sequence[str]
    shell: Sequence[str]

    def command(self, *argv: str, environment: Mapping[str, str] | None = None) -> list[str]:
        """Return what to execute so that the image's entry point gets ``argv``."""
        return [*self.run, *_env(environment), *self.program, *argv]

    def script(self, text: str, environment: Mapping[str, str] | None = None) -> list[str]:
        """Return what to execute so that the image's shell runs ``text``."""
        return [*self.run, *_env(environment), *self.shell, "-c", text]


class Engine(Protocol):
    """Builds images from this tree, and makes places of them. Raises: CommandError."""

    name: str

    def build(self, image: str, dockerfile: str) -> None:
        """Make an image."""

    def place(
        self, image: str, *, state: str, mounts: Mapping[Path, str]
    ) -> AbstractContextManager[Place]:
        """Make a place, for a while.

        ``state``: the directory that programs share. ``mounts``: read-only, from here to there.
        """


class Docker:
    """Docker, or Podman, which takes the same words."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.places = 0

    def build(self, image: str, dockerfile: str) -> None:
        base = [f"--build-arg=BASE={os.environ['BASE']}"] if "BASE" in os.environ else []
        words = [self.name, "build", *base, f"--file={dockerfile}", f"--tag={image}", "."]
        output(words, timeout_s=BUILD_S, cwd=ROOT)

    @contextmanager
    def place(self, image: str, *, state: str, mounts: Mapping[Path, str]) -> Iterator[Place]:
        self.places += 1
        volume = f"vantage-proof-{os.getpid()}-{self.places}"
        run = [self.name, "run", "--rm", "--network=host", f"--volume={volume}:{state}"]
        try:
            yield Place([*run, *_volumes(mounts)], [image], ["--entrypoint=sh", image])
        finally:
            output([self.name, "volume", "rm", "--force", volume])


class Buildah:
    """Buildah, isolating by chroot alone, so that it works inside a container, too."""

    name = "buildah"

    def build(self, image: str, dockerfile: str) -> None:
        words = ["buildah", "build", "--isolation=chroot", "--layers", "--format=docker"]
        words += [f"--build-arg=BASE={base_image()}", f"--file={dockerfile}"]
        # This machine's settings go to the first stage alone, and only its cache remains of it:
        # the image is then made without them.
        with build_volumes() as volumes:
            first = [*words, "--target=build", *_volumes(volumes), "."]
            output(first, timeout_s=BUILD_S, cwd=ROOT)
        output([*words, f"--tag={image}", "."], timeout_s=BUILD_S, cwd=ROOT)

    @contextmanager
    def place(self, image: str, *, state: str, mounts: Mapping[Path, str]) -> Iterator[Place]:
        name = output(["buildah", "from", f"localhost/{image}"])
        try:
            config = json.loads(output(["buildah", "inspect", name]))["OCIv1"]["config"]
            entry_point = config.get("Entrypoint") or []
            run = ["buildah", "run", "--isolation=chroot", *_volumes(mounts)]
            yield Place(run, [name, "--", *entry_point], [name, "--", "sh"])
        finally:
            output(["buildah", "rm", name])


def find_engine() -> Engine:
    """Return the first that works here. Raises: CommandError when none does."""
    for program in ("docker", "podman"):
        if works([program, "info"]):
            return Docker(program)
    if shutil.which("buildah") and ("BASE" in os.environ or shutil.which("mmdebstrap")):
        return Buildah()
    raise CommandError(NO_ENGINE)


def size(engine: Engine, image: str) -> str:
    """Return how large an image is, as the engine puts it."""
    return output([engine.name, "images", "--format={{.Size}}", image])


def _env(environment: Mapping[str, str] | None) -> list[str]:
    return [f"--env={name}={value}" for name, value in (environment or {}).items()]


def _volumes(mounts: Mapping[Path, str]) -> list[str]:
    return [f"--volume={here}:{there}:ro" for here, there in mounts.items()]
