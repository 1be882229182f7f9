"""The writing thread: everything put is written once, whatever the disk does."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import writer as writer_module
from agent.spool import Dropped, Spool
from agent.writer import Writer


@contextmanager
def writing(spool: Spool, on_durable: Callable[[], None] = lambda: None):  # type: ignore[no-untyped-def]
    writer = Writer(spool, on_durable)
    thread = threading.Thread(target=writer.run)
    thread.start()
    try:
        yield writer
    finally:
        writer.close()
        thread.join(20)
        assert not thread.is_alive()


def read(spool: Spool) -> list[bytes]:
    return spool.read(spool.running, 1, max_results=10**6, max_bytes=10**9)


def test_everything_put_is_durable_when_closed_and_in_order(tmp_path: Path) -> None:
    spool, wakes = Spool(tmp_path), list[int]()
    expected = [b"%d" % number for number in range(12_000)]
    with writing(spool, lambda: wakes.append(spool.running.last_seq)) as writer:
        for payload in expected:
            writer.put(payload)
    assert spool.running.last_seq == wakes[-1] == len(expected)
    assert len(wakes) < 6_000, "results were not written in groups"
    found: list[bytes] = []
    while part := spool.read(
        spool.running, len(found) + 1, max_results=10**6, max_bytes=512 * 1024
    ):
        found += part
    assert found == expected


def test_results_are_kept_until_the_disk_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "RETRY_S", 0.01)
    failures = iter(range(7))
    durable = threading.Event()

    def sync(descriptor: int) -> None:
        if next(failures, None) is not None:
            raise OSError(errno.ENOSPC, "No space left on device")
        os.fdatasync(descriptor)

    spool = Spool(tmp_path, sync=sync)
    with writing(spool, durable.set) as writer:
        writer.put(b"result")
        assert durable.wait(20)
    assert read(spool) == [b"result"]


def test_a_disk_that_does_not_keep_up_asks_for_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "BACKLOG_MAX", 3)
    waiting = Writer(Spool(tmp_path), lambda: None)
    for _ in range(3):
        assert waiting.is_ready
        waiting.put(b"result")
    assert not waiting.is_ready


@pytest.mark.parametrize("is_disk_full", [False, True])
def test_what_was_lost_to_make_room_is_declared_in_its_place(
    tmp_path: Path, is_disk_full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the limit, and by a disk that is full before it."""
    monkeypatch.setattr(writer_module, "PATIENCE_S", 0.0)

    def sync(descriptor: int) -> None:
        if sum(path.stat().st_size for path in tmp_path.glob("*/*.seg")) > 1_000:
            raise OSError(errno.ENOSPC, "No space left on device")

    def count(payloads: list[bytes]) -> int:
        return sum(int(p.removeprefix(b"lost ")) if p.startswith(b"lost") else 1 for p in payloads)

    def declare(dropped: Dropped) -> list[bytes]:
        return [b"lost %d" % count(dropped.payloads)] if dropped.payloads else []

    limit = {"sync": sync} if is_disk_full else {"limit_bytes": 1_000}
    spool = Spool(tmp_path, segment_bytes=100, **limit)
    writer = Writer(spool, lambda: None, declare)
    for _ in range(300):
        writer._write([b"a result like any other"])
    hole = spool.running.hole_at(1)
    assert hole is not None
    kept, seq = list[bytes](), hole.to_seq + 1
    while part := spool.read(spool.running, seq, max_results=10**6, max_bytes=10**9):
        kept += part
        seq += len(part)
    assert count(kept) == 300
    assert any(payload.startswith(b"lost") for payload in kept)


def test_a_bug_ends_the_thread_with_its_exception(tmp_path: Path) -> None:
    writer = Writer(Spool(tmp_path), lambda: None)
    writer.put(b"")
    with pytest.raises(ValueError, match="payload"):
        writer.run()
