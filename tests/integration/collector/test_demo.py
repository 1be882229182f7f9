"""The demonstration target does what its scenes promise."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from collector import demo
from collector.ports import free_ports


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    port = free_ports(2)
    serving = asyncio.create_task(demo.serve(port, tmp_path))
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port + 1)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                break
    yield port
    serving.cancel()
    await asyncio.wait([serving])


async def get(port: int, path: str, tls: ssl.SSLContext | None = None) -> bytes:
    reader, writer = await asyncio.open_connection("localhost", port, ssl=tls)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("scene", demo.SCENES, ids=lambda scene: scene.path)
async def test_every_scene_has_its_page(port: int, tmp_path: Path, scene: demo.Scene) -> None:
    tls = ssl.create_default_context(cafile=tmp_path / "authority.pem") if scene.is_tls else None
    answer = await get(port + scene.is_tls, scene.path, tls)
    assert b" 404 " not in answer.partition(b"\r\n")[0]


async def test_the_first_byte_is_held_back(port: int) -> None:
    began = time.monotonic()
    assert b" 200 " in await get(port, "/think")
    assert time.monotonic() - began > 0.25


async def test_redirects_lead_to_the_fast_page(port: int) -> None:
    assert b"Location: /older" in await get(port, "/old")
    assert b"Location: /fast" in await get(port, "/older")


async def test_nonsense_is_survived(port: int) -> None:
    for request in (b"\r\n\r\n", b"\xff" * 70_000, b"GET"):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        writer.close()
    assert b" 404 " in await get(port, "/absent")


def test_the_certificate_is_soon_to_expire_and_its_authority_is_kept(tmp_path: Path) -> None:
    leaf_file, authority_file = demo.certificate(tmp_path)
    authority = authority_file.read_bytes()
    leaf = x509.load_pem_x509_certificate(leaf_file.read_bytes())
    left = leaf.not_valid_after_utc - datetime.now(UTC)
    assert 10 < left.days < 14
    demo.certificate(tmp_path)
    assert authority_file.read_bytes() == authority
