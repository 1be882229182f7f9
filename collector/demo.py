"""The demonstration target: a small web server that behaves in interesting ways.

Probed by `vantage up` when no URL was given, so that there is something worth seeing without a
network. HTTP on one port, HTTPS on the next with a certificate of its own authority that is soon
to expire.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CERTIFICATE_LIFE = timedelta(days=12)
FLAKY_PERIOD_S = 240
FLAKY_DOWN_S = 40
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Scene:
    """One of the target's pages: how to watch it, and what it shows."""

    name: str
    path: str
    is_tls: bool = False
    slow_s: float | None = None

    def url(self, port: int) -> str:
        scheme, port = ("https", port + 1) if self.is_tls else ("http", port)
        return f"{scheme}://localhost:{port}{self.path}"


SCENES = (
    Scene("Fast page", "/fast"),
    Scene("Slow first byte", "/think", slow_s=0.75),
    Scene("Large paced download", "/paced"),
    Scene("Two redirects", "/old"),
    Scene("Flaky service", "/flaky"),
    Scene("Certificate soon to expire", "/secure", is_tls=True),
)


async def fast(writer: asyncio.StreamWriter) -> None:
    """Answer at once."""
    await respond(writer, b"<h1>Fast</h1>" * 100)


async def think(writer: asyncio.StreamWriter) -> None:
    """Hold the first byte for 0.3 to 0.9 s, swinging once an hour."""
    await asyncio.sleep(0.6 + 0.3 * math.sin(time.time() / HOUR_S * 2 * math.pi))
    await respond(writer, b"Thought about it.")


async def paced(writer: asyncio.StreamWriter) -> None:
    """Send 200 kB in ten pieces, 40 ms apart."""
    piece = b"x" * 20_000
    writer.write(head(200, "OK", f"Content-Length: {10 * len(piece)}"))
    for _ in range(10):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.04)


async def old(writer: asyncio.StreamWriter) -> None:
    """Move on, after 50 ms."""
    await asyncio.sleep(0.05)
    await respond(writer, b"", 301, "Moved Permanently", "Location: /older")


async def older(writer: asyncio.StreamWriter) -> None:
    """Move on once more, after 30 ms."""
    await asyncio.sleep(0.03)
    await respond(writer, b"", 302, "Found", "Location: /fast")


async def flaky(writer: asyncio.StreamWriter) -> None:
    """Be down for 40 s of every 4 minutes: an error answer first, then a broken connection."""
    moment = time.time() % FLAKY_PERIOD_S
    if moment < FLAKY_DOWN_S / 2:
        await respond(writer, b"Out of order.", 503, "Service Unavailable")
    elif moment < FLAKY_DOWN_S:
        writer.transport.abort()
    else:
        await respond(writer, b"Well again.")


PAGES: dict[str, Callable[[asyncio.StreamWriter], Awaitable[None]]] = {
    "/fast": fast,
    "/think": think,
    "/paced": paced,
    "/old": old,
    "/older": older,
    "/flaky": flaky,
    "/secure": fast,
}


async def respond(
    writer: asyncio.StreamWriter, body: bytes, status: int = 200, reason: str = "OK", *more: str
) -> None:
    """Write a whole response."""
    writer.write(head(status, reason, f"Content-Length: {len(body)}", *more) + body)
    await writer.drain()


def head(status: int, reason: str, *fields: str) -> bytes:
    """Return a response's status line and fields."""
    lines = [f"HTTP/1.1 {status} {reason}", "Content-Type: text/html", "Connection: close", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request and close."""
    try:
        async with asyncio.timeout(10):
            request = await reader.readuntil(b"\r\n\r\n")
        path = request.split(b" ", 2)[1].decode("latin-1").partition("?")[0]
        page = PAGES.get(path)
        if page is None:
            await respond(writer, b"No such page.", 404, "Not Found")
        else:
            await page(writer)
    except (OSError, EOFError, TimeoutError, IndexError, asyncio.LimitOverrunError):
        pass  # the visitor left, or never was one
    finally:
        writer.close()


def certificate(directory: Path) -> tuple[Path, Path]:
    """Make the target's certificate anew; return its file and that of its authority (PEM).

    The authority is made once and kept, for the agents were told to trust it.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority_file, key_file = directory / "authority.pem", directory / "authority.key"
    now = datetime.now(UTC)
    if key_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - made below
        issuer = x509.load_pem_x509_certificate(authority_file.read_bytes()).subject
    else:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Vantage demonstration")])
        authority = (
            x509.CertificateBuilder(issuer, issuer, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        authority_file.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
        key_file.touch(mode=0o600)
        key_file.write_bytes(pem(key))
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
    leaf = (
        x509.CertificateBuilder(issuer, subject, leaf_key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=78))
        .not_valid_after(now + CERTIFICATE_LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    leaf_file = directory / "target.pem"
    leaf_file.touch(mode=0o600)
    leaf_file.write_bytes(pem(leaf_key) + leaf.public_bytes(serialization.Encoding.PEM))
    return leaf_file, authority_file


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Encode a key as unencrypted PKCS #8."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


async def serve(port: int, directory: Path) -> None:
    """Serve HTTP on 127.0.0.1:``port`` and HTTPS on the next port, for ever."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate(directory)[0])
    async with (
        await asyncio.start_server(serve_one, "127.0.0.1", port) as plain,
        await asyncio.start_server(serve_one, "127.0.0.1", port + 1, ssl=tls) as secure,
    ):
        await asyncio.gather(plain.serve_forever(), secure.serve_forever())


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--directory", type=click.Path(path_type=Path), required=True)
def main(port: int, directory: Path) -> None:
    """Serve the demonstration target on 127.0.0.1."""
    asyncio.run(serve(port, directory))


if __name__ == "__main__":
    main()
