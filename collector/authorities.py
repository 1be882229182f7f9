"""The authority of a directory and, while it is being replaced, the one that follows it.

A rotation needs no agent to stop, since every certificate lives for LEAF_LIFE only:

- from `rotate` on, both are trusted, and every agent that renews learns of both;
- LEAF_LIFE later every living agent has learnt: the new one signs all certificates from then on;
- LEAF_LIFE after that no living certificate is the old one's: `retire` forgets it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from collector.authority import BACKDATED, LEAF_LIFE, Authority, create, load, load_or_create
from collector.errors import CollectorError

KEY, CERTIFICATE = "authority.key", "authority.pem"
NEXT_KEY, NEXT_CERTIFICATE = "authority-next.key", "authority-next.pem"


class Authorities:
    """What agents and collectors trust, and who signs at this moment.

    Raises: CollectorError when the directory's files cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.seen = self.look()
        self.current = load(directory / KEY, directory / CERTIFICATE)
        self.following: Authority | None = None
        if (directory / NEXT_KEY).exists():
            self.following = load(directory / NEXT_KEY, directory / NEXT_CERTIFICATE)

    def look(self) -> list[tuple[str, int]]:
        """Return what tells whether the files have changed."""
        files = [self.directory / name for name in (KEY, CERTIFICATE, NEXT_KEY, NEXT_CERTIFICATE)]
        return [(file.name, file.stat().st_mtime_ns) for file in files if file.exists()]

    @property
    def all(self) -> list[Authority]:
        return [self.current] if self.following is None else [self.current, self.following]

    @property
    def following_signs_from(self) -> datetime | None:
        """When every living agent will know the following one. None: there is none."""
        return None if self.following is None else made_at(self.following) + LEAF_LIFE

    @property
    def signing(self) -> Authority:
        begins_at = self.following_signs_from
        if self.following is not None and begins_at is not None and begins_at <= now():
            return self.following
        return self.current

    @property
    def pem(self) -> bytes:
        """Everything that is trusted."""
        return b"".join(authority.pem for authority in self.all)

    def signs_from(self, authority: Authority) -> datetime:
        return (authority is self.following and self.following_signs_from) or made_at(authority)

    def issue_agent(self, csr_der: bytes, agent_id: UUID) -> tuple[bytes, datetime]:
        """Return a client certificate (PEM) and the end of its life. Raises: BadRequest."""
        return self.signing.issue_agent(csr_der, agent_id)


def open_or_create(directory: Path) -> Authorities:
    """Return the authorities of a directory, with one made where there is none.

    Raises: CollectorError when the directory's files cannot be used.
    """
    _finish_retiring(directory)
    load_or_create(directory)
    return Authorities(directory)


def rotate(directory: Path) -> datetime:
    """Make the authority that follows; return from when on it signs.

    Raises: CollectorError if one is on its way already.
    """
    _finish_retiring(directory)
    authorities = Authorities(directory)
    if authorities.following_signs_from is not None:
        raise CollectorError(
            f"{directory} holds a new authority already, which signs from "
            f"{authorities.following_signs_from:%Y-%m-%d %H:%M} UTC on. When the old one is done "
            "with: vantage-collector authority retire"
        )
    create(directory / NEXT_KEY, directory / NEXT_CERTIFICATE)
    return made_at(load(directory / NEXT_KEY, directory / NEXT_CERTIFICATE)) + LEAF_LIFE


def retire(directory: Path) -> None:
    """Forget the old authority. Raises: CollectorError while certificates of its may be alive."""
    if _finish_retiring(directory):
        return
    begins_at = Authorities(directory).following_signs_from
    if begins_at is None:
        raise CollectorError(
            f"{directory} holds one authority, and none that follows it. Make one with: "
            "vantage-collector authority rotate"
        )
    if now() < begins_at + LEAF_LIFE:
        raise CollectorError(
            "Certificates of the old authority may be alive until "
            f"{begins_at + LEAF_LIFE:%Y-%m-%d %H:%M} UTC. Retire it then."
        )
    _rename(directory / NEXT_CERTIFICATE, directory / CERTIFICATE)
    _rename(directory / NEXT_KEY, directory / KEY)


def _finish_retiring(directory: Path) -> bool:
    """Go on where `retire` was stopped between its two files; return whether it had been.

    Raises: CollectorError if the key that follows is not the certificate's, as in half a copy.
    """
    if not (directory / NEXT_KEY).exists() or (directory / NEXT_CERTIFICATE).exists():
        return False
    load(directory / NEXT_KEY, directory / CERTIFICATE)
    _rename(directory / NEXT_KEY, directory / KEY)
    return True


def _rename(file: Path, over: Path) -> None:
    try:
        file.replace(over)
    except OSError as error:
        raise CollectorError(
            f"{file} cannot take the place of {over.name}: {error.strerror}. Run this as the user "
            "whom the directory belongs to."
        ) from error


def made_at(authority: Authority) -> datetime:
    """Return when an authority was made, as its certificate says."""
    return authority.certificate.not_valid_before_utc + BACKDATED


def now() -> datetime:
    """Return this moment, aware."""
    return datetime.now(UTC)
