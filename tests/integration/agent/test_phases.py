"""The promise: every phase within 2 ms of the truth at low load, and sums exact, always."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.support import delaylink, phase_trial

ROOT = Path(__file__).parents[3]
PROBES = 20
TOLERANCE_US = 2_000
TRIALS = 3


def trial(folder: Path) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Return the truth, and what the probes found."""
    program = [sys.executable, phase_trial.__file__, str(folder), str(PROBES)]
    run = subprocess.run(
        delaylink.argv(phase_trial.ONE_WAY_S, program),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    truth, *results = [json.loads(line) for line in run.stdout.splitlines()]
    return truth, results


def misses(truth: dict[str, int], results: list[dict[str, Any]]) -> list[str]:
    """Phases whose median is off by more than the tolerance, or more than two probes of 20 are."""
    found = []
    for phase, true_us in truth.items():
        off = [abs(each["phases"][phase] - true_us) for each in results]
        near = sum(error <= TOLERANCE_US for error in off)
        if median(off) > TOLERANCE_US or near < PROBES - 2:
            found.append(f"{phase}: median {median(off)} us off, {near} of {PROBES} near: {off}")
    return found


def test_every_phase_is_within_two_milliseconds_of_the_truth(tmp_path: Path) -> None:
    """A burst of the machine's other work may spoil a trial; an error of ours spoils them all."""
    found = []
    for _ in range(TRIALS):
        truth, results = trial(tmp_path)
        for each in results:
            assert each["failure"] is None
            assert sum(us or 0 for us in each["phases"].values()) == each["total_us"]
        # Those that the machine left most in peace, whatever they found.
        quiet = sorted(results, key=lambda each: each["waited_us"])[:PROBES]
        assert len(quiet) == PROBES
        found = misses(truth, quiet)
        rtt_us = median(each["rtt_us"] for each in quiet)
        if abs(rtt_us - truth["connect_us"]) > TOLERANCE_US:
            found.append(f"rtt_us: median {rtt_us}, in truth {truth['connect_us']}")
        if not found:
            return
    pytest.fail("\n".join(found))
