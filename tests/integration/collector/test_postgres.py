"""Whether an installed PostgreSQL is recognised as one that can serve us."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.postgres import Server, installed_server, server_in, timescaledb_version


def test_a_server_with_timescaledb_is_recognised(private_server: Server) -> None:
    assert server_in(private_server.bin) == private_server


def test_the_one_on_the_path_is_found(
    private_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(private_server.bin))
    assert installed_server(private_server.major) == private_server
    assert installed_server(9) is None


def fake_server(folder: Path, version: str, timescaledb: str) -> Path:
    for name in ("postgres", "initdb", "pg_config"):
        (folder / name).write_text(f"#!/bin/sh\necho 'PostgreSQL {version}'\necho {folder}\n")
        (folder / name).chmod(0o755)
    (folder / "extension").mkdir()
    control = f"# comment\ndefault_version = '{timescaledb}'\n"
    (folder / "extension/timescaledb.control").write_text(control)
    return folder


@pytest.mark.parametrize(
    ("version", "timescaledb", "serves"),
    [
        ("15.4", "2.14.0", True),
        ("18beta1", "2.23.1", True),
        ("14.9", "2.19.0", False),
        ("16.1", "2.9.9", False),
    ],
)
def test_versions_decide(tmp_path: Path, version: str, timescaledb: str, serves: bool) -> None:
    assert (server_in(fake_server(tmp_path, version, timescaledb)) is not None) == serves


def test_a_server_without_timescaledb_is_passed_over(tmp_path: Path) -> None:
    folder = fake_server(tmp_path, "17.2", "2.19.3")
    (folder / "extension/timescaledb.control").unlink()
    assert server_in(folder) is None
    assert timescaledb_version(folder) == ()
    assert server_in(tmp_path / "absent") is None
