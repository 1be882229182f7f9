"""What the doctor makes of what it finds."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from agent import doctor
from agent.clock import Reading
from agent.doctor import Finding, Status


@pytest.mark.parametrize(
    ("offset_us", "uncertainty_us", "status"),
    [
        (200_000, 1_000, Status.OK),
        (-1_400_000, 500_000, Status.OK),
        (-1_400_000, 1_000, Status.PROBLEM),
        (3_600_000_000, 5_000_000, Status.PROBLEM),
    ],
)
def test_a_clock_that_is_off_for_certain_is_a_problem(
    offset_us: int, uncertainty_us: int, status: Status
) -> None:
    found = doctor._clock(Reading(offset_us, uncertainty_us))
    assert found.status is status
    assert ("behind" if offset_us < 0 else "ahead") in found.found
    assert bool(found.remedy) is (status is not Status.OK)


def test_an_hour_is_told_in_seconds() -> None:
    assert doctor._clock(Reading(3_600_000_000, 1_000)).found.startswith("3,600.0 s ahead")


def test_a_full_disk_is_told_from_one_that_is_not_the_agents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fdatasync", full)
    assert doctor._disk(tmp_path).remedy == "Free some, or give another --home."


def test_a_home_that_cannot_be_written_to_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    found = doctor._disk(file)
    assert found.status is Status.PROBLEM
    assert str(file) in found.found
    assert doctor._disk(tmp_path / "not" / "yet").status is not Status.PROBLEM
    assert [*tmp_path.iterdir()] == [file]


def test_the_remedy_stands_beneath_what_was_found() -> None:
    findings = [Finding("dns", Status.OK, "Fine."), Finding("ping", Status.WARNING, "No.", "Do.")]
    assert list(doctor.lines(findings)) == [
        "ok      dns         Fine.",
        "warning ping        No.",
        "                    Do.",
    ]
