"""What the spool drops when it must, what it keeps though it need not, and what it says of it."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from agent.hole import Hole, Loss
from agent.spool import Spool, SpoolError
from tests.support.spooling import drain, drain_with_holes, files, payloads


def small(directory: Path, **options: float) -> Spool:
    """A spool with room for some five segments of three or four results each."""
    return Spool(directory, segment_bytes=100, limit_bytes=1_000, **options)  # type: ignore[arg-type]


def fill(spool: Spool, first: int, last: int) -> dict[Loss, list[bytes]]:
    """Append one by one as the writer does; return what was dropped."""
    dropped: dict[Loss, list[bytes]] = {}
    for seq in range(first, last + 1):
        for each in spool.make_room():
            dropped.setdefault(each.reason, []).extend(each.payloads)
        spool.append(payloads(seq, seq))
    return dropped


def test_a_full_spool_drops_its_oldest_results_and_says_which(tmp_path: Path) -> None:
    spool = small(tmp_path)
    lost = fill(spool, 1, 100)[Loss.SPOOL_FULL]
    assert lost == payloads(1, len(lost))
    assert spool.size_bytes <= 1_000 + 200
    found, holes = drain_with_holes(spool, spool.running)
    assert found == payloads(len(lost) + 1, 100)
    assert holes == [(1, len(lost), "spool_full")]
    assert len(files(tmp_path, "*/*.spool_full")) == 1


def test_the_next_start_of_the_process_knows_of_the_hole(tmp_path: Path) -> None:
    lost = fill(small(tmp_path), 1, 100)[Loss.SPOOL_FULL]
    spool = small(tmp_path)
    old = spool.incarnations[0]
    found, holes = drain_with_holes(spool, old)
    assert found == payloads(len(lost) + 1, 100)
    assert holes == [(1, len(lost), "spool_full")]
    spool.ack(old, len(lost))
    assert files(tmp_path, "*/*.spool_full") == []
    spool.ack(old, 100)
    spool.close(old)
    assert list(tmp_path.iterdir()) == []


def test_an_incarnation_of_which_all_was_dropped_is_still_declared(tmp_path: Path) -> None:
    spool = small(tmp_path)
    fill(spool, 1, 5)
    spool.renew()
    while spool.sacrifice():
        pass
    spool = small(tmp_path)
    assert drain_with_holes(spool, spool.incarnations[0]) == ([], [(1, 5, "spool_full")])


def test_a_drop_that_the_process_did_not_survive_is_finished(tmp_path: Path) -> None:
    spool = small(tmp_path)
    fill(spool, 1, 20)
    paths = files(tmp_path)
    Hole.marked(paths[0].parent, 1, int(paths[2].stem) - 1, Loss.SPOOL_FULL)
    spool = small(tmp_path)
    first = int(paths[2].stem)
    found, holes = drain_with_holes(spool, spool.incarnations[0])
    assert (found, holes) == (payloads(first, 20), [(1, first - 1, "spool_full")])
    assert files(tmp_path) == paths[2:]


def test_what_is_under_way_is_not_dropped(tmp_path: Path) -> None:
    spool = small(tmp_path)
    fill(spool, 1, 15)
    spool.running.sent = 10
    lost = fill(spool, 16, 100)[Loss.SPOOL_FULL]
    found, [(first, last, reason)] = drain_with_holes(spool, spool.running)
    assert first > 10
    assert found == payloads(1, first - 1) + payloads(last + 1, 100)
    assert (lost, reason) == (payloads(first, last), "spool_full")


def test_what_is_sent_or_gone_the_moment_it_was_to_be_dropped_is_not_lost(tmp_path: Path) -> None:
    spool = small(tmp_path)
    fill(spool, 1, 20)
    running = spool.running
    chosen = running.oldest(is_acked=False)
    assert chosen is not None
    running.sent = chosen.first_seq
    assert running.drop(chosen, Loss.SPOOL_FULL) is None
    assert drain(spool, running) == payloads(1, 20)
    spool.ack(running, chosen.last_seq)
    assert running.drop(chosen, Loss.SPOOL_FULL) is None
    assert drain(spool, running, chosen.last_seq + 1) == payloads(chosen.last_seq + 1, 20)


def test_acknowledged_results_are_kept_for_a_while_and_go_first(tmp_path: Path) -> None:
    spool = small(tmp_path, keep_s=3_600)
    fill(spool, 1, 15)
    spool.ack(spool.running, 15)
    assert drain(spool, spool.running) == payloads(1, 15)
    assert spool.backlog == 0
    assert fill(spool, 16, 34)[Loss.SPOOL_FULL] == []
    assert int(files(tmp_path)[0].stem) > 1
    assert drain(spool, spool.running, 16) == payloads(16, 34)


def test_acknowledged_results_go_when_their_time_is_over(tmp_path: Path) -> None:
    spool = small(tmp_path, keep_s=0.01)
    fill(spool, 1, 15)
    spool.ack(spool.running, 14)
    assert len(files(tmp_path)) > 2
    time.sleep(0.02)
    spool.ack(spool.running, 15)
    assert len(files(tmp_path)) <= 2  # the one being written, and one acknowledged just now


def test_what_earlier_starts_delivered_goes_when_its_time_is_over(tmp_path: Path) -> None:
    """However much of it was acknowledged before: the collector says so again when it welcomes."""
    before = small(tmp_path, keep_s=0.01)
    fill(before, 1, 10)
    before.ack(before.running, 10)
    before.running.rest()
    spool = small(tmp_path, keep_s=0.01)
    old = spool.incarnations[0]
    assert old.acked == 10
    spool.ack(old, 10)
    spool.close(old)
    assert old.directory.exists()
    time.sleep(0.02)
    fill(spool, 1, 1)
    spool.ack(spool.running, 1)
    assert list(tmp_path.iterdir()) == [spool.running.directory]


def test_a_delivered_incarnation_is_kept_and_can_be_delivered_again(tmp_path: Path) -> None:
    fill(small(tmp_path), 1, 10)
    spool = small(tmp_path, keep_s=3_600)
    old = spool.incarnations[0]
    spool.ack(old, 10)
    spool.close(old)
    assert spool.incarnations == [spool.running]
    assert spool.reopen()
    assert not spool.reopen()
    old.unack(4)
    assert (spool.backlog, spool.incarnations[0]) == (6, old)
    assert drain(spool, old, 5) == payloads(5, 10)


@pytest.mark.parametrize("older_note", [None, b"7 1790921346\n"])
def test_the_next_start_of_the_process_knows_how_far_the_last_was_acknowledged(
    tmp_path: Path, older_note: bytes | None
) -> None:
    spool = small(tmp_path, keep_s=3600)
    spool.append(payloads(1, 12_000))
    spool.ack(spool.running, 12_000)
    spool.running.unack(7)
    spool.running.rest()
    if older_note is not None:  # as versions before 2026-11-26 wrote it
        (spool.running.directory / "acked").write_bytes(older_note)
    assert small(tmp_path, keep_s=3600).incarnations[0].acked == 7


def test_results_before_those_kept_are_a_hole_of_the_databases_making(tmp_path: Path) -> None:
    spool = small(tmp_path)
    fill(spool, 1, 20)
    spool.ack(spool.running, 12)
    kept = int(files(tmp_path)[0].stem)
    spool.running.unack(2)
    found, holes = drain_with_holes(spool, spool.running, 3)
    assert (found, holes) == (payloads(kept, 20), [(3, kept - 1, "database_restored")])


def test_results_that_are_too_old_are_dropped(tmp_path: Path) -> None:
    spool = small(tmp_path, max_age_s=3_600)
    fill(spool, 1, 12)
    for path in files(tmp_path)[:2]:
        os.utime(path, (0, 0))
    [first, second] = spool.make_room()
    assert {first.reason, second.reason} == {Loss.SPOOL_EXPIRED}
    lost = first.payloads + second.payloads
    found, holes = drain_with_holes(spool, spool.running)
    assert (found, holes) == (payloads(len(lost) + 1, 12), [(1, len(lost), "spool_expired")])


def test_a_full_disk_costs_the_oldest_segment_and_no_new_result(tmp_path: Path) -> None:
    free = 800

    def sync(descriptor: int) -> None:
        if sum(path.stat().st_size for path in files(tmp_path)) > free:
            raise OSError(errno.ENOSPC, "No space left on device")

    spool = Spool(tmp_path, segment_bytes=100, sync=sync)
    lost: list[bytes] = []
    for seq in range(1, 60):
        while sum(path.stat().st_size for path in files(tmp_path)) + 100 > free:
            with pytest.raises(SpoolError) as caught:
                spool.append([bytes(200)])
            assert caught.value.is_disk_full
            sacrificed = spool.sacrifice()
            assert sacrificed is not None
            lost += sacrificed.payloads
        spool.append(payloads(seq, seq))
    found, holes = drain_with_holes(spool, spool.running)
    assert lost == payloads(1, len(lost))
    assert found == payloads(len(lost) + 1, 59)
    assert holes == [(1, len(lost), "spool_full")]


@pytest.mark.parametrize("is_running", [True, False])
def test_what_another_used_goes_under_an_incarnation_of_its_own(
    tmp_path: Path, is_running: bool
) -> None:
    spool = small(tmp_path)
    fill(spool, 1, 20)
    foreign = spool.running
    if not is_running:
        spool.renew()
    spool.ack(foreign, 7)
    assert spool.respool(foreign, 8) == 13
    assert foreign not in spool.incarnations
    copy = spool.incarnations[0]
    assert copy.id != foreign.id
    assert copy.may_be_stored
    assert drain(spool, copy) == payloads(8, 20)
    reopened = small(tmp_path)
    assert drain(reopened, reopened.incarnations[0]) == payloads(8, 20)
    assert [each.may_be_stored for each in reopened.incarnations] == [True, False]
    reopened.ack(reopened.incarnations[0], 13)
    reopened.close(reopened.incarnations[0])
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_for_the_copy_loses_nothing(tmp_path: Path) -> None:
    is_full = False

    def sync(descriptor: int) -> None:
        if is_full:
            raise OSError(errno.ENOSPC, "No space left on device")

    spool = Spool(tmp_path, segment_bytes=100, sync=sync)
    fill(spool, 1, 20)
    foreign = spool.running
    is_full = True
    with pytest.raises(SpoolError):
        spool.respool(foreign, 1)
    is_full = False
    assert drain(spool, foreign) == payloads(1, 20)
    assert spool.respool(foreign, 1) == 20
