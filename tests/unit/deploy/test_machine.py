from __future__ import annotations

from pathlib import Path

import pytest

from deploy.machine import local_folders, npmrc, pip_conf


def test_a_list_of_pip_has_one_entry_a_line() -> None:
    assert pip_conf({"timeout": "60", "find-links": "/a /b"}) == (
        "[global]\ntimeout = 60\nfind-links = /a\n    /b\n"
    )


def test_a_build_is_not_told_of_a_file_of_constraints_that_it_does_not_have() -> None:
    assert pip_conf({"constraint": "/etc/constraints.txt", "timeout": "60"}) == (
        "[global]\ntimeout = 60\n"
    )


def test_packages_of_this_machine_are_found_with_the_files_beside_an_index(tmp_path: Path) -> None:
    index, wheels = tmp_path / "mirror" / "simple", tmp_path / "wheels"
    index.mkdir(parents=True)
    wheels.mkdir()
    settings = {
        "index-url": "https://index.example/simple",
        "extra-index-url": f"file://{index} file:///nowhere/simple",
        "find-links": str(wheels),
    }
    assert list(local_folders(settings)) == [index.parent, wheels]


def test_npm_is_told_the_authorities_after_what_the_user_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".npmrc").write_text("fund=false\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert npmrc("/ca.pem") == "fund=false\ncafile=/ca.pem\n"
    assert npmrc(None) == "fund=false\n"
