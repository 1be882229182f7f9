"""A spool, something bad that happens to its disk, and what must be left of it.

Each case is drawn from its seed: torn tails, garbage and zeros behind the last frame, flipped bits,
files gone, disks that fill up. Nothing durable and unharmed may be missing, and what is declared
lost must be what was harmed or dropped, exactly.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from pathlib import Path

from agent.spool import Spool, SpoolError
from tests.support.spooling import drain_with_holes, files

HEADER_BYTES = 8

Harm = Callable[[Path, list[bytes], random.Random], tuple[set[int], bool]]


def check(seed: int, directory: Path) -> str:
    """Run one case in an empty directory; return its kind. Raises: AssertionError."""
    dice = random.Random(seed)
    kind = dice.choice([*HARMS, "full disk", "full spool"])
    if kind in HARMS:
        check_harm(HARMS[kind], directory, dice)
    else:
        check_room(directory, dice, is_disk=kind == "full disk")
    return kind


def made(dice: random.Random, count: int) -> list[bytes]:
    return [dice.randbytes(dice.choice((1, 5, 60, 300, 2_000))) for _ in range(count)]


def fill(spool: Spool, payloads: list[bytes], dice: random.Random) -> None:
    rest = payloads.copy()
    while rest:
        count = dice.randint(1, 8)
        spool.append(rest[:count])
        rest = rest[count:]


def check_harm(harm: Harm, directory: Path, dice: random.Random) -> None:
    payloads = made(dice, dice.randint(2, 40))
    fill(Spool(directory, segment_bytes=dice.choice((200, 2_000, 100_000))), payloads, dice)
    harmed, is_tail = harm(directory, payloads, dice)
    spool = Spool(directory)
    found, holes = drain_with_holes(spool, spool.incarnations[0])
    lost = {seq for first, last, _ in holes for seq in range(first, last + 1)}
    sound = [payload for seq, payload in enumerate(payloads, 1) if seq not in harmed]
    assert found == sound, f"{len(found)} of {len(sound)} sound results are found"
    # What is missing at the very end cannot be told from what was never written to its end.
    assert lost == (set() if is_tail else harmed), f"lost {lost}, harmed {harmed}"


def check_room(directory: Path, dice: random.Random, *, is_disk: bool) -> None:
    payloads = made(dice, dice.randint(30, 80))
    room = dice.randint(8_000, 20_000)

    def sync(descriptor: int) -> None:
        if is_disk and sum(path.stat().st_size for path in files(directory)) > room:
            raise OSError(errno.ENOSPC, "No space left on device")

    limit = 1 << 30 if is_disk else room
    spool = Spool(directory, segment_bytes=dice.choice((500, 2_000)), limit_bytes=limit, sync=sync)
    dropped: list[bytes] = []
    for payload in payloads:
        for each in spool.make_room():
            dropped += each.payloads
        while True:
            try:
                spool.append([payload])
                break
            except SpoolError:
                sacrificed = spool.sacrifice()
                assert sacrificed is not None, "nothing is left to drop"
                dropped += sacrificed.payloads
    reopened = Spool(directory)
    for each_spool, incarnation in ((spool, spool.running), (reopened, reopened.incarnations[0])):
        found, holes = drain_with_holes(each_spool, incarnation)
        assert dropped + found == payloads, "a result is neither there nor dropped"
        declared = [(1, len(dropped), "spool_full")] if dropped else []
        assert holes == declared, f"declared {holes}, dropped {len(dropped)}"


def cut(directory: Path, payloads: list[bytes], dice: random.Random) -> tuple[set[int], bool]:
    path = files(directory)[-1]
    size = dice.randrange(path.stat().st_size)
    os.truncate(path, size)
    return {seq for seq, _, end in frames(path, payloads) if end > size}, True


def garbage(directory: Path, payloads: list[bytes], dice: random.Random) -> tuple[set[int], bool]:
    with files(directory)[-1].open("ab") as file:
        file.write(dice.randbytes(dice.randint(1, 3_000)))
    return set(), True


def zeros(directory: Path, payloads: list[bytes], dice: random.Random) -> tuple[set[int], bool]:
    with files(directory)[-1].open("ab") as file:
        file.write(bytes(dice.randint(1, 5_000)))
    return set(), True


def flip(directory: Path, payloads: list[bytes], dice: random.Random) -> tuple[set[int], bool]:
    path = dice.choice(files(directory))
    content = bytearray(path.read_bytes())
    at = dice.randrange(len(content))
    content[at] ^= 1 << dice.randrange(8)
    path.write_bytes(content)
    [seq] = [seq for seq, begin, end in frames(path, payloads) if begin <= at < end]
    return {seq}, seq == len(payloads)


def unlink(directory: Path, payloads: list[bytes], dice: random.Random) -> tuple[set[int], bool]:
    """A file in the middle is gone; the first and the last are not to be missed."""
    paths = files(directory)
    if len(paths) < 3:
        return set(), True
    path = dice.choice(paths[1:-1])
    harmed = {seq for seq, _, _ in frames(path, payloads)}
    following = int(paths[paths.index(path) + 1].stem)
    path.unlink()
    return {seq for seq in harmed if seq < following}, False


HARMS: dict[str, Harm] = {
    "torn tail": cut,
    "garbage behind the last frame": garbage,
    "zeros behind the last frame": zeros,
    "flipped bit": flip,
    "file gone": unlink,
}


def frames(path: Path, payloads: list[bytes]) -> list[tuple[int, int, int]]:
    """Return each frame's number, where it begins and where it ends in its file, as written."""
    place, begin = [], 0
    following = [int(p.stem) for p in files(path.parent, "*.seg") if p.stem > path.stem]
    last = min(following, default=len(payloads) + 1) - 1
    for seq in range(int(path.stem), last + 1):
        end = begin + HEADER_BYTES + len(payloads[seq - 1])
        place.append((seq, begin, end))
        begin = end
    return place
