from __future__ import annotations

from pathlib import Path

import pytest

from collector.errors import CollectorError
from collector.keyring import Keyring


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    keyring = Keyring(tmp_path / "home" / "secret.key")
    keyring.add()
    return keyring


def test_a_key_is_followed_by_another_and_goes_when_nothing_needs_it(keyring: Keyring) -> None:
    old, key = keyring.newest
    reader = Keyring(keyring.file)
    assert reader.key(old) == key
    newest = keyring.add()
    assert (reader.newest[0], reader.key(old)) == (newest, key)
    assert keyring.keep({old}) == []
    assert keyring.keep(set()) == [old]
    assert reader.key(newest) is not None
    assert reader.key(old) is None
    assert keyring.keep(set()) == []


def test_only_its_owner_may_read_the_file(keyring: Keyring) -> None:
    assert keyring.file.stat().st_mode & 0o777 == 0o600
    keyring.file.chmod(0o640)
    with pytest.raises(CollectorError, match="chmod 600"):
        Keyring(keyring.file).read()


@pytest.mark.parametrize("content", ["", "no base64!", "c2hvcnQ="])
def test_a_file_that_is_none_is_told(keyring: Keyring, content: str) -> None:
    keyring.file.write_text(content)
    with pytest.raises(CollectorError, match="key file"):
        Keyring(keyring.file).read()


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CollectorError, match="secret-key-file"):
        Keyring(tmp_path / "nowhere").read()
