from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from collector.errors import CollectorError
from collector.keyring import Keyring

SECRET = b"what nobody else may know"


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    keyring = Keyring(tmp_path / "home" / "secret.key")
    keyring.add()
    return keyring


def test_what_is_sealed_opens_for_its_monitor_alone(keyring: Keyring) -> None:
    sealed = keyring.seal(7, SECRET)
    assert SECRET not in sealed.sealed
    assert keyring.open(7, sealed) == SECRET
    assert keyring.seal(7, SECRET).sealed != sealed.sealed
    with pytest.raises(CollectorError, match="monitor 8 do not open"):
        keyring.open(8, sealed)
    for changed in (sealed.sealed[:-1] + bytes([sealed.sealed[-1] ^ 1]), sealed.sealed[:-1], b""):
        with pytest.raises(CollectorError, match="do not open"):
            keyring.open(7, replace(sealed, sealed=changed))


def test_a_key_is_followed_by_another_and_goes_when_nothing_needs_it(keyring: Keyring) -> None:
    old = keyring.seal(7, SECRET)
    reader = Keyring(keyring.file)
    assert reader.open(7, old) == SECRET
    newest = keyring.add()
    new = reader.seal(7, SECRET)
    assert (new.key_id, reader.open(7, old)) == (newest, SECRET)
    assert keyring.keep({old.key_id}) == []
    assert keyring.keep(set()) == [old.key_id]
    assert reader.open(7, new) == SECRET
    with pytest.raises(CollectorError, match=f"need the key {old.key_id}"):
        reader.open(7, old)
    assert keyring.keep(set()) == []


def test_only_its_owner_may_read_the_file(keyring: Keyring) -> None:
    assert keyring.file.stat().st_mode & 0o777 == 0o600
    keyring.file.chmod(0o640)
    with pytest.raises(CollectorError, match="chmod 600"):
        Keyring(keyring.file).seal(1, SECRET)


@pytest.mark.parametrize("content", ["", "no base64!", "c2hvcnQ="])
def test_a_file_that_is_none_is_told(keyring: Keyring, content: str) -> None:
    keyring.file.write_text(content)
    with pytest.raises(CollectorError, match="key file"):
        Keyring(keyring.file).seal(1, SECRET)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CollectorError, match="secret-key-file"):
        Keyring(tmp_path / "nowhere").seal(1, SECRET)
