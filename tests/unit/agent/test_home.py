from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.errors import FatalError
from agent.home import Home, Identity, default_path
from agent.spool import Spool

IDENTITY = Identity("11111111-2222-4333-8444-555555555555", "fra", "c:7443", 1000, 4000)


def joined(path: Path, identity: Identity = IDENTITY) -> Home:
    home = Home(path)
    home.begin_key(b"key")
    home.store_identity(identity, certificate=b"certificate", authority=b"authority")
    return home


def test_an_identity_is_kept_with_its_credentials(tmp_path: Path) -> None:
    joined(tmp_path / "a" / "home")
    home = Home(tmp_path / "a" / "home")
    assert home.is_joined
    assert home.identity() == IDENTITY
    credentials = home.credentials()
    assert (credentials.authority, credentials.key) == (b"authority", b"key")
    assert credentials.certificate == b"certificate"


def test_secrets_are_the_owners_alone(tmp_path: Path) -> None:
    joined(tmp_path / "home")
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "home" / "agent.key").stat().st_mode) == 0o600


def test_nobody_yet(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert not home.is_joined
    with pytest.raises(FatalError, match=rf"vantage-agent join --home {tmp_path} TOKEN$"):
        home.identity()


def test_at_the_usual_place_no_command_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.home.default_path", lambda: tmp_path)
    with pytest.raises(FatalError, match=r"vantage-agent join TOKEN$"):
        Home(tmp_path).identity()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"agent_id": "x"}', b"\xff"])
def test_an_unreadable_identity_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    home = joined(tmp_path)
    (tmp_path / "agent.json").write_bytes(content)
    with pytest.raises(FatalError, match=r"agent\.json cannot be read.*--replace"):
        home.identity()


def test_a_missing_key_is_a_sentence(tmp_path: Path) -> None:
    home = joined(tmp_path)
    (tmp_path / "agent.key").unlink()
    with pytest.raises(FatalError, match=r"agent\.key cannot be read"):
        home.credentials()


def test_a_failed_join_leaves_the_former_identity(tmp_path: Path) -> None:
    home = joined(tmp_path)
    home.begin_key(b"another key")
    assert home.identity() == IDENTITY
    assert home.credentials().key == b"key"


def test_a_renewal_replaces_the_certificate_only(tmp_path: Path) -> None:
    home = joined(tmp_path)
    home.store_assignments(b"assignments")
    home.store_renewal(IDENTITY, certificate=b"newer")
    assert home.credentials().certificate == b"newer"
    assert home.credentials().key == b"key"
    assert home.assignments() == b"assignments"


def test_a_renewal_may_bring_an_authority_that_is_to_be_trusted_too(tmp_path: Path) -> None:
    home = joined(tmp_path)
    former = home.credentials().authority
    home.store_renewal(IDENTITY, certificate=b"newer")
    assert home.credentials().authority == former
    home.store_renewal(IDENTITY, certificate=b"newest", authority=former + b"and another")
    assert home.credentials().authority == former + b"and another"
    assert home.credentials().certificate == b"newest"


def test_validity_and_renewal_time(tmp_path: Path) -> None:
    assert IDENTITY.renewal_at_s == 3000
    home = joined(tmp_path)
    assert home.valid_identity(3999) == IDENTITY
    told = rf"expired at 1970-01-01 01:06:40 UTC.*--agent {IDENTITY.agent_id}.*--home {tmp_path} "
    with pytest.raises(FatalError, match=told):
        home.valid_identity(4000)


def test_two_agents_never_share_a_home(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time; from agent.home import Home\n"
        "with Home(pathlib.Path(sys.argv[1])).lock(): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        message = rf"already running \(pid {holder.pid}\)"
        with pytest.raises(FatalError, match=message), Home(tmp_path).lock():
            pass
        holder.kill()
        holder.wait()
    deadline = time.monotonic() + 10
    while True:  # a dead process holds nothing, at the latest when the kernel has buried it
        try:
            with Home(tmp_path).lock():
                break
        except FatalError:
            assert time.monotonic() < deadline


def test_a_home_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    home = Home(tmp_path / "file" / "home")
    with pytest.raises(FatalError, match=r"Cannot write to .*--home"):
        home.begin_key(b"key")
    with pytest.raises(FatalError, match=r"Cannot write to .*--home"), home.lock():
        pass


def test_the_spool_belongs_to_one_agent(tmp_path: Path) -> None:
    home = Home(tmp_path)
    Spool(home.claim_spool("one")).append([b"result"])
    Spool(home.claim_spool("one"))
    with pytest.raises(FatalError, match=r"results of agent one, but this is agent two.*Move"):
        home.claim_spool("two")
    assert home.set_spool_aside("one") is None
    aside = home.set_spool_aside("two")
    assert aside == tmp_path / "spool-of-one"
    assert list(aside.glob("*/*.seg"))
    home.claim_spool("two")
    assert home.set_spool_aside("one") is None, "there is nothing of two's"
    Spool(home.claim_spool("one")).append([b"result"])
    assert home.set_spool_aside("two") == tmp_path / "spool-of-one-2"
    assert list(aside.glob("*/*.seg"))


def test_an_empty_spool_changes_hands(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.claim_spool("one")
    assert home.set_spool_aside("two") is None
    home.claim_spool("two")
    Spool(tmp_path / "spool").append([b"result"])
    with pytest.raises(FatalError, match="agent two"):
        home.claim_spool("one")


def test_results_of_nobody_are_not_adopted(tmp_path: Path) -> None:
    home = Home(tmp_path)
    Spool(home.claim_spool("one")).append([b"result"])
    (tmp_path / "spool" / "agent_id").unlink()
    with pytest.raises(FatalError, match="unknown"):
        home.claim_spool("one")


def test_assignments_are_remembered(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.assignments() == b""
    home.store_assignments(b"\x00\x01")
    assert Home(tmp_path).assignments() == b"\x00\x01"


def test_the_default_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_path() == Path("/var/lib/vantage-agent")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "vantage-agent"
