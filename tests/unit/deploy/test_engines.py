from __future__ import annotations

from pathlib import Path

import pytest

from deploy.background import background
from deploy.command import CommandError, output
from deploy.engines import Place, find_engine
from tests.support.processes import wait_until


def test_without_an_engine_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match="apt-get install buildah mmdebstrap"):
        find_engine()


def test_an_engine_that_does_not_answer_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, code in (("docker", 1), ("podman", 0)):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nexit {code}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert find_engine().name == "podman"


def test_a_place_puts_the_environment_before_the_image_and_the_words_after() -> None:
    place = Place(["docker", "run"], ["agent"], ["--entrypoint=sh", "agent"])
    assert place.command("join", environment={"A": "b"}) == [
        *("docker", "run", "--env=A=b", "agent", "join")
    ]
    assert place.script("id -u") == ["docker", "run", "--entrypoint=sh", "agent", "-c", "id -u"]


def test_a_failed_command_is_told_with_its_last_words() -> None:
    with pytest.raises(CommandError, match=r"sh -c .* failed:\nout\nwhy"):
        output(["sh", "-c", "echo out; echo why >&2; exit 3"])


def test_a_command_that_hangs_is_given_up() -> None:
    with pytest.raises(CommandError, match=r"longer than 0\.2 s: sleep 60"):
        output(["sleep", "60"], timeout_s=0.2)


def test_what_ends_too_early_is_told_with_its_last_words(tmp_path: Path) -> None:
    with (
        background("part", ["sh", "-c", "echo why; exit 1"], tmp_path) as part,
        pytest.raises(CommandError, match="The part ended before it was ready:\nwhy"),
    ):
        part.wait_for("it was ready", lambda: False)


def test_the_whole_group_ends(tmp_path: Path) -> None:
    with background("group", ["sh", "-c", "sleep 60 & echo $!; wait"], tmp_path) as group:
        group.wait_for("its word", lambda: group.log.read_text().endswith("\n"))
        child = int(group.log.read_text())
        assert is_alive(child)
    assert group.process.returncode is not None
    wait_until(lambda: not is_alive(child), seconds=20, what="the end of its child")


def is_alive(pid: int) -> bool:
    """Whether a process is there and has not ended, whoever has to take note of that."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
