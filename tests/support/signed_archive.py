"""A small Debian archive signed by a throwaway key, and a loopback mirror that serves it.

Nothing but the project's own dependencies makes the OpenPGP signatures, so that the tests need no
gpg; the machine's own gpgv or sqv checks them. Source: RFC 4880, RFC 9580 for Ed25519.
"""

from __future__ import annotations

import base64
import hashlib
import io
import lzma
import struct
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.in_thread import serving_in_thread

ED25519_OID = bytes.fromhex("2b06010401da470f01")
EDDSA, SHA256 = 22, 8
TEXT_SIGNATURE, CERTIFICATION = 0x01, 0x13
MADE_AT = 1_700_000_000


class SigningKey:
    """An Ed25519 key in OpenPGP's clothes."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        point = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._public = (
            struct.pack(">BIBB", 4, MADE_AT, EDDSA, len(ED25519_OID))
            + ED25519_OID
            + _mpi(b"\x40" + point)
        )
        self._fingerprint = hashlib.sha1(self._hashed_key()).digest()

    def keyring(self) -> bytes:
        """The public key with a self-signed name."""
        name = b"Throwaway <throwaway@example.org>"
        certified = self._hashed_key() + b"\xb4" + struct.pack(">I", len(name)) + name
        may_sign = _subpacket(27, b"\x03")
        return (
            _packet(6, self._public)
            + _packet(13, name)
            + _packet(2, self._signature(CERTIFICATION, certified, may_sign))
        )

    def clearsign(self, text: str) -> bytes:
        lines = text.rstrip("\n").split("\n")
        canonical = "\r\n".join(line.rstrip(" \t") for line in lines).encode()
        packet = _packet(2, self._signature(TEXT_SIGNATURE, canonical))
        escaped = "\n".join(f"- {line}" if line.startswith("-") else line for line in lines)
        return (
            f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{escaped}\n"
            f"-----BEGIN PGP SIGNATURE-----\n\n{base64.encodebytes(packet).decode()}"
            f"={base64.b64encode(_crc24(packet)).decode()}\n-----END PGP SIGNATURE-----\n"
        ).encode()

    def _signature(self, kind: int, content: bytes, extra: bytes = b"") -> bytes:
        created = _subpacket(2, struct.pack(">I", MADE_AT))
        issuer = _subpacket(33, b"\x04" + self._fingerprint)
        hashed_areas = created + issuer + extra
        head = struct.pack(">BBBBH", 4, kind, EDDSA, SHA256, len(hashed_areas)) + hashed_areas
        trailer = struct.pack(">BBI", 4, 0xFF, len(head))
        digest = hashlib.sha256(content + head + trailer).digest()
        signed = self._key.sign(digest)
        unhashed = _subpacket(16, self._fingerprint[-8:])
        return (
            head
            + struct.pack(">H", len(unhashed))
            + unhashed
            + digest[:2]
            + _mpi(signed[:32])
            + _mpi(signed[32:])
        )

    def _hashed_key(self) -> bytes:
        return b"\x99" + struct.pack(">H", len(self._public)) + self._public


def _packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, 0xFF]) + struct.pack(">I", len(body)) + body


def _subpacket(kind: int, body: bytes) -> bytes:
    return bytes([len(body) + 1, kind]) + body


def _mpi(number: bytes) -> bytes:
    number = number.lstrip(b"\0")
    return struct.pack(">H", len(number) * 8 - 8 + number[0].bit_length()) + number


def _crc24(content: bytes) -> bytes:
    crc = 0xB704CE
    for byte in content:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return (crc & 0xFFFFFF).to_bytes(3, "big")


Member = bytes | tarfile.TarInfo  # a file's content, or any other member as it is


def deb(members: Mapping[str, Member]) -> bytes:
    """A .deb with the given files; scripts (#!) are executable."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as archive:
        for name, member in members.items():
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(member)
            info.mode = 0o755 if member.startswith(b"#!") else 0o644
            archive.addfile(info, io.BytesIO(member))
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"", "data.tar.xz": packed.getvalue()}
    return b"!<arch>\n" + b"".join(
        f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        + content
        + b"\n" * (len(content) % 2)
        for name, content in parts.items()
    )


@dataclass
class Archive:
    """What the mirror serves: paths and contents, signed when told."""

    root: Path
    codename: str = "trixie"
    architectures: tuple[str, ...] = ("amd64", "arm64")
    key: SigningKey = field(default_factory=SigningKey)
    stanzas: list[str] = field(default_factory=list)

    def add(self, name: str, members: Mapping[str, Member], **fields: str) -> None:
        """Add a package; ``fields`` of its stanza, such as Depends."""
        content = deb(members)
        filename = f"pool/main/{name}_1.0_all.deb"
        self._write(filename, content)
        stanza = {
            "Package": name,
            "Version": "1.0",
            "Filename": filename,
            "Size": str(len(content)),
            "SHA256": hashlib.sha256(content).hexdigest(),
            **{key.replace("_", "-"): value for key, value in fields.items()},
        }
        self.stanzas.append("".join(f"{key}: {value}\n" for key, value in stanza.items()))

    def sign(self) -> None:
        """Publish the list of packages and the signed index over it."""
        packages = lzma.compress("\n".join(self.stanzas).encode())
        sha256 = hashlib.sha256(packages).hexdigest()
        checksums = ""
        for architecture in self.architectures:
            folder = f"main/binary-{architecture}"
            self._write(f"dists/{self.codename}/{folder}/Packages.xz", packages)
            self._write(f"dists/{self.codename}/{folder}/by-hash/SHA256/{sha256}", packages)
            checksums += f" {sha256} {len(packages)} {folder}/Packages.xz\n"
        text = f"Codename: {self.codename}\nAcquire-By-Hash: yes\nSHA256:\n{checksums}"
        self._write(f"dists/{self.codename}/InRelease", self.key.clearsign(text))

    def keyring(self) -> Path:
        path = self.root / "keyring.gpg"
        path.write_bytes(self.key.keyring())
        return path

    def _write(self, name: str, content: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


CONTROL = b"default_version = '2.19.3'\n"
POSTGRES = b"#!/bin/sh\necho 'postgres (PostgreSQL) 17.0'\n"


def server_archive(root: Path) -> Archive:
    """An archive of the server's packages by name, with next to nothing in them."""
    archive = Archive(root)
    archive.add(
        "postgresql-17",
        {"./usr/lib/postgresql/17/bin/postgres": POSTGRES, "./usr/share/doc/readme": b"read me"},
        Depends="locales | locales-all, libpq5 (>= 17~), postgresql-common (>= 246), libllvm19",
    )
    archive.add("postgresql-client-17", {"./usr/lib/postgresql/17/bin/psql": b"#!/bin/sh\n"})
    archive.add(
        "postgresql-17-timescaledb",
        {"./usr/share/postgresql/17/extension/timescaledb.control": CONTROL},
        Depends="postgresql-17",
    )
    for library in ("amd64", "x86_64-linux-gnu"), ("arm64", "aarch64-linux-gnu"):
        archive.add(f"libpq5-{library[0]}", {f"./usr/lib/{library[1]}/libpq.so.5": b"\x7fELF"})
    archive.add("libpq5", {}, Depends="libpq5-amd64, libpq5-arm64")
    archive.add("libllvm19", {"./usr/lib/llvm": b"huge"})
    archive.sign()
    return archive


class LoopbackMirror:
    """Serves a folder; remembers what was asked for, and can misbehave."""

    def __init__(self, root: Path) -> None:
        self.requests: list[str] = []
        self.failures_left = 0  # answered with 503 first
        self.stalled: str | None = None  # the end of a path whose answer stops half-way
        self.is_stalling = threading.Event()
        self.go_on = threading.Event()
        handler = partial(_Handler, mirror=self, directory=str(root))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: Any, mirror: LoopbackMirror, **kwargs: Any) -> None:
        self.mirror = mirror
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        self.mirror.requests.append(self.path)
        if self.mirror.failures_left:
            self.mirror.failures_left -= 1
            self.send_error(503)
        elif self.mirror.stalled and self.path.endswith(self.mirror.stalled):
            content = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.mirror.is_stalling.set()
            self.mirror.go_on.wait(20)
        else:
            super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(root: Path) -> Iterator[LoopbackMirror]:
    """A mirror of the folder, on loopback."""
    mirror = LoopbackMirror(root)
    with serving_in_thread(mirror.server):
        try:
            yield mirror
        finally:
            mirror.go_on.set()
