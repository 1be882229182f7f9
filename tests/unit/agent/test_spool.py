"""The spool's rules on a real directory; no threads, no processes."""

from __future__ import annotations

import errno
import os
import random
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from agent.segment import MAX_PAYLOAD_BYTES
from agent.spool import Spool, SpoolError
from tests.support.spooling import ALL, drain, drain_with_holes, files, payloads


def test_results_are_numbered_from_1_and_read_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(payloads(1, 3))
    spool.append(payloads(4, 7))
    assert spool.running.last_seq == spool.backlog == 7
    assert drain(spool, spool.running) == payloads(1, 7)
    assert drain(spool, spool.running, 6) == payloads(6, 7)
    assert spool.read(spool.running, 8, **ALL) == []


def test_reading_is_bounded_but_never_empty_handed(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([b"a" * 100, b"b" * 100, b"c" * MAX_PAYLOAD_BYTES, b"d"])
    assert spool.read(spool.running, 1, max_results=1, max_bytes=10**6) == [b"a" * 100]
    assert len(spool.read(spool.running, 1, max_results=9, max_bytes=250)) == 2
    assert spool.read(spool.running, 3, max_results=9, max_bytes=5) == [b"c" * MAX_PAYLOAD_BYTES]
    assert spool.read(spool.running, 1, max_results=9, max_bytes=5) == [b"a" * 100]


def test_a_start_without_results_leaves_nothing_behind(tmp_path: Path) -> None:
    Spool(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_start_is_a_new_incarnation_and_old_ones_are_sealed_in_order(tmp_path: Path) -> None:
    identities = []
    for _ in range(3):
        spool = Spool(tmp_path)
        spool.append(payloads(1, 5))
        identities.append(spool.running.id)
    spool = Spool(tmp_path)
    assert len(set(identities)) == 3
    assert [i.id for i in spool.incarnations[:-1]] == identities
    assert all(i.is_sealed for i in spool.incarnations[:-1])
    assert spool.backlog == 15
    for incarnation in spool.incarnations[:-1]:
        assert drain(spool, incarnation) == payloads(1, 5)


def test_segments_rotate_and_acknowledged_ones_are_unlinked(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=100)
    for seq in range(1, 31):
        spool.append(payloads(seq, seq))
    before = len(files(tmp_path))
    assert before > 5
    spool.ack(spool.running, 15)
    assert len(files(tmp_path)) < before
    assert drain(spool, spool.running, 16) == payloads(16, 30)
    spool.ack(spool.running, 30)
    assert len(files(tmp_path)) == 1  # the one being written
    spool.append(payloads(31, 40))
    assert drain(spool, spool.running, 31) == payloads(31, 40)
    assert spool.backlog == 10


def test_sealed_and_delivered_incarnations_are_removed(tmp_path: Path) -> None:
    Spool(tmp_path).append(payloads(1, 5))
    spool = Spool(tmp_path)
    old = spool.incarnations[0]
    spool.ack(old, 4)
    assert not old.is_delivered
    spool.ack(old, 5)
    assert old.is_delivered
    spool.close(old)
    assert spool.incarnations == [spool.running]
    assert list(tmp_path.iterdir()) == []


def test_an_ack_beyond_what_a_sealed_incarnation_holds_delivers_it(tmp_path: Path) -> None:
    Spool(tmp_path).append(payloads(1, 5))
    spool = Spool(tmp_path)
    spool.ack(spool.incarnations[0], 99)
    assert spool.incarnations[0].is_delivered
    assert spool.backlog == 0


def test_renewing_seals_and_begins_anew(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(payloads(1, 5))
    first = spool.running
    spool.renew()
    spool.append(payloads(1, 2))
    assert first.is_sealed
    assert spool.incarnations == [first, spool.running]
    assert (first.last_seq, spool.running.last_seq) == (5, 2)
    assert spool.running.id != first.id
    assert first.directory.name < spool.running.directory.name


@pytest.mark.parametrize("bad", [b"", b"x" * (MAX_PAYLOAD_BYTES + 1)])
def test_impossible_payloads_are_refused(tmp_path: Path, bad: bytes) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(ValueError, match="payload"):
        spool.append([b"good", bad])
    spool.append([b"good"])
    assert drain(spool, spool.running) == [b"good"]


TAILS = {
    "half a header": lambda frame: frame[:5],
    "half a payload": lambda frame: frame[:-3],
    "zeros": lambda frame: bytes(len(frame) * 3),
    "garbage": lambda frame: random.Random(len(frame)).randbytes(5000),
    "length beyond the file": lambda frame: b"\xff\xff\xff\x7f" + frame[4:],
    "another frame, out of place": lambda frame: frame,
}


@pytest.mark.parametrize("kind", TAILS)
def test_a_torn_tail_is_sealed_not_repaired(tmp_path: Path, kind: str) -> None:
    Spool(tmp_path).append(payloads(1, 5))
    [path] = files(tmp_path)
    whole = path.read_bytes()
    frame = whole[: 8 + len(payloads(1, 1)[0])]
    path.write_bytes(whole + TAILS[kind](frame))
    torn = path.read_bytes()
    with capture_logs() as logs:
        spool = Spool(tmp_path)
    assert drain(spool, spool.incarnations[0]) == payloads(1, 5)
    assert [entry["event"] for entry in logs] == ["spool_tail_sealed"]
    spool.append(payloads(1, 2))
    assert path.read_bytes() == torn
    spool.ack(spool.incarnations[0], 5)
    spool.close(spool.incarnations[0])
    assert not path.exists()


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_cut_or_flip_in_the_last_file_costs_only_what_it_hits(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    expected = data.draw(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=30))
    Spool(directory).append(expected)
    [path] = files(directory)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    is_cut = data.draw(st.booleans())
    if is_cut:
        del content[at:]
    else:
        content[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    ends = [sum(8 + len(p) for p in expected[: n + 1]) for n in range(len(expected))]
    untouched = sum(end <= at for end in ends)
    spool = Spool(directory)
    found, holes = drain_with_holes(spool, spool.incarnations[0])
    lost = sum(last - first + 1 for first, last, _ in holes)
    # The last frame's damage cannot be told from a torn tail; any other's is declared.
    is_last = untouched >= len(expected) - 1
    if is_cut or is_last:
        assert (found, lost) == (expected[:untouched], 0)
    else:
        assert (found, lost) == (expected[:untouched] + expected[untouched + 1 :], 1)


def sealed_segments(directory: Path) -> list[Path]:
    """30 results in several files of one sealed incarnation."""
    spool = Spool(directory, segment_bytes=300)
    for seq in range(1, 31):
        spool.append(payloads(seq, seq))
    return files(directory)


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)


def test_damage_costs_the_damaged_result_alone_and_the_file_is_kept(tmp_path: Path) -> None:
    paths = sealed_segments(tmp_path)
    damaged = paths[1]
    flip(damaged, damaged.stat().st_size - 1)
    bad = int(paths[2].stem) - 1
    spool = Spool(tmp_path)
    old = spool.incarnations[0]
    with capture_logs() as logs:
        found, holes = drain_with_holes(spool, old)
    assert found == payloads(1, bad - 1) + payloads(bad + 1, 30)
    assert holes == [(bad, bad, "spool_damaged")]
    [event] = [entry for entry in logs if entry["event"] == "spool_frame_damaged"]
    assert (event["file"], event["undeliverable_results"]) == (str(damaged), 1)
    assert "damaged" in event["remedy"]
    spool.ack(old, 30)
    assert old.is_delivered
    spool.close(old)
    assert files(tmp_path) == []
    assert [path.name for path in files(tmp_path, "*/*.damaged")] == [damaged.name + ".damaged"]
    assert len(Spool(tmp_path).incarnations) == 1  # nothing of it is taken up again


@pytest.mark.parametrize("at", [0, 2, 5, 8, 11])
def test_reading_goes_on_behind_damage_wherever_it_begins(tmp_path: Path, at: int) -> None:
    """Damage in a length, a checksum, a payload; read from before it, and again from behind it."""
    paths = sealed_segments(tmp_path)
    flip(paths[1], at)
    bad = int(paths[1].stem)
    for first in (1, bad, bad + 1, 30):
        spool = Spool(tmp_path)
        found, holes = drain_with_holes(spool, spool.incarnations[0], first)
        sound = [seq for seq in range(first, 31) if seq != bad]
        assert found == [payload for seq in sound for payload in payloads(seq, seq)]
        assert holes == ([(bad, bad, "spool_damaged")] if first <= bad else [])


def test_a_missing_middle_file_is_damage_too(tmp_path: Path) -> None:
    paths = sealed_segments(tmp_path)
    paths[2].unlink()
    spool = Spool(tmp_path)
    with capture_logs() as logs:
        found, holes = drain_with_holes(spool, spool.incarnations[0])
    first, last = int(paths[2].stem), int(paths[3].stem) - 1
    assert found == payloads(1, first - 1) + payloads(last + 1, 30)
    assert holes == [(first, last, "spool_damaged")]
    assert logs[0]["event"] == "spool_frame_damaged"


def test_a_flipped_frame_inside_the_last_file_is_no_torn_tail(tmp_path: Path) -> None:
    Spool(tmp_path).append(payloads(1, 10))
    [path] = files(tmp_path)
    flip(path, 8 + 3)
    with capture_logs() as logs:
        spool = Spool(tmp_path)
    assert [entry["event"] for entry in logs] == ["spool_frame_damaged"]
    found, holes = drain_with_holes(spool, spool.incarnations[0])
    assert (found, holes) == (payloads(2, 10), [(1, 1, "spool_damaged")])
    spool.ack(spool.incarnations[0], 10)
    spool.close(spool.incarnations[0])
    assert files(tmp_path, "*/*.damaged")


def test_damage_in_the_running_incarnation_does_not_end_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(payloads(1, 10))
    flip(files(tmp_path)[0], 8 + 3)
    spool.append(payloads(11, 13))
    found, holes = drain_with_holes(spool, spool.running)
    assert (found, holes) == (payloads(2, 13), [(1, 1, "spool_damaged")])


def test_a_file_that_an_attempt_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    """A disk that failed while it was written may also have failed to remove it."""
    spool = Spool(tmp_path)
    spool.append(payloads(1, 5))
    spool.running.seal()
    (spool.running.directory / f"{6:020d}.seg").write_bytes(b"half a result")
    spool.append(payloads(6, 9))
    assert drain(spool, spool.running) == payloads(1, 9)


def test_what_the_disk_does_not_give_any_more_is_damage(tmp_path: Path) -> None:
    """/proc/self/mem has nothing where the file begins, and says so as a bad disk does."""
    paths = sealed_segments(tmp_path)
    paths[1].unlink()
    paths[1].symlink_to("/proc/self/mem")
    spool = Spool(tmp_path)
    found, holes = drain_with_holes(spool, spool.incarnations[0])
    first, last = int(paths[1].stem), int(paths[2].stem) - 1
    assert found == payloads(1, first - 1) + payloads(last + 1, 30)
    assert holes == [(first, last, "spool_damaged")]


def test_a_bad_block_of_the_last_file_costs_what_lies_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    results = [b"result %d " % seq + b"x" * 600 for seq in range(1, 31)]
    spool.append(results)
    read = os.pread

    def read_but_for_the_second_block(descriptor: int, size: int, offset: int) -> bytes:
        if 4096 <= offset < 8192:
            raise OSError(errno.EIO, "Input/output error")
        return read(descriptor, min(size, 4096 - offset) if offset < 4096 else size, offset)

    monkeypatch.setattr(os, "pread", read_but_for_the_second_block)
    found, holes = drain_with_holes(spool := Spool(tmp_path), spool.incarnations[0])
    assert (found, holes) == (results[:6] + results[14:], [(7, 14, "spool_damaged")])


class FailingDisk:
    """fdatasync that fails when told to, as a disk with an error does: once, then well again."""

    def __init__(self) -> None:
        self.failures = 0
        self.synced: list[int] = []

    def __call__(self, descriptor: int) -> None:
        self.synced.append(int(Path(f"/proc/self/fd/{descriptor}").readlink().stem))
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EIO, "Input/output error")
        os.fdatasync(descriptor)


def test_after_a_failed_sync_everything_goes_to_a_new_file(tmp_path: Path) -> None:
    disk = FailingDisk()
    spool = Spool(tmp_path, sync=disk)
    spool.append(payloads(1, 5))
    disk.failures = 1
    spool.append(payloads(6, 9))
    spool.append(payloads(10, 12))
    assert disk.synced == [1, 1, 6, 6]
    assert drain(spool, spool.running) == payloads(1, 12)
    reopened = Spool(tmp_path)
    assert drain(reopened, reopened.incarnations[0]) == payloads(1, 12)


def test_a_disk_that_goes_on_failing_loses_nothing_either(tmp_path: Path) -> None:
    disk = FailingDisk()
    spool = Spool(tmp_path, sync=disk)
    spool.append(payloads(1, 5))
    spool.ack(spool.running, 5)
    for _ in range(3):
        disk.failures = 2
        with pytest.raises(SpoolError, match="Input/output error"):
            spool.append(payloads(6, 9))
    assert spool.running.last_seq == 5
    spool.append(payloads(6, 9))
    assert drain(spool, spool.running, 6) == payloads(6, 9)
    assert spool.backlog == 4


def test_an_ack_beside_a_failing_disk_is_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread may come while a file that holds nothing is given up, and remove it."""
    disk = FailingDisk()
    spool = Spool(tmp_path, sync=disk)
    spool.append(payloads(1, 5))

    class Acknowledging:
        def warning(self, *_: object, **__: object) -> None:
            spool.ack(spool.running, 5)

    monkeypatch.setattr("agent.incarnation.log", Acknowledging())
    disk.failures = 2
    with pytest.raises(SpoolError):
        spool.append(payloads(6, 9))
    spool.append(payloads(6, 9))
    assert drain(spool, spool.running, 6) == payloads(6, 9)


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Leave the process none, or one, to open."""
    lowest = os.dup(0)
    os.close(lowest)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(("count", "made"), [(0, "*"), (1, "*/*")])
def test_a_name_that_could_not_be_made_durable_is_made_anew(
    tmp_path: Path, count: int, made: str
) -> None:
    """The directory's, or that of a file in it: the next attempt finds neither in its way."""
    spool = Spool(tmp_path)
    with descriptors_left(count), pytest.raises(SpoolError, match="Too many open files"):
        spool.append(payloads(1, 5))
    assert list(tmp_path.glob(made)) == []
    spool.append(payloads(1, 5))
    assert drain(spool, spool.running) == payloads(1, 5)
