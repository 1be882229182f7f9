"""Only text under a good signature by a known key is believed. Checked by the machine's gpgv."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.debian.signature import SignatureError, archive_keyrings, verified_text
from tests.support.signed_archive import SigningKey

TEXT = "Codename: trixie\n- dashed\nend\n"


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey()


@pytest.fixture
def keyring(key: SigningKey, tmp_path: Path) -> Path:
    path = tmp_path / "keyring.gpg"
    path.write_bytes(key.keyring())
    return path


def test_the_signed_text_is_returned(key: SigningKey, keyring: Path) -> None:
    assert verified_text(key.clearsign(TEXT), [keyring]) == TEXT


def test_the_signer_may_be_in_any_of_several_keyrings(key: SigningKey, keyring: Path) -> None:
    other = keyring.with_name("other.gpg")
    other.write_bytes(SigningKey().keyring())
    assert verified_text(key.clearsign(TEXT), [other, keyring]) == TEXT


def test_a_changed_text_is_refused(key: SigningKey, keyring: Path) -> None:
    tampered = key.clearsign(TEXT).replace(b"trixie", b"tricky")
    with pytest.raises(SignatureError, match="not signed by Debian"):
        verified_text(tampered, [keyring])


def test_another_key_is_refused(keyring: Path) -> None:
    with pytest.raises(SignatureError, match="not signed by Debian"):
        verified_text(SigningKey().clearsign(TEXT), [keyring])


def test_a_text_without_a_signature_is_refused(key: SigningKey, keyring: Path) -> None:
    with pytest.raises(SignatureError, match="not one signed text"):
        verified_text(TEXT.encode(), [keyring])
    unsigned, _, _ = key.clearsign(TEXT).partition(b"-----BEGIN PGP SIGNATURE-----")
    with pytest.raises(SignatureError, match="not signed by Debian"):
        verified_text(unsigned, [keyring])


def test_words_around_the_signed_text_are_not_believed(key: SigningKey, keyring: Path) -> None:
    signed = key.clearsign(TEXT)
    try:
        text = verified_text(b"Codename: evil\n\n" + signed + b"\nCodename: evil\n", [keyring])
    except SignatureError:
        return  # sqv refuses such a file as a whole
    assert text == TEXT


def test_two_signed_texts_in_one_file_are_refused(key: SigningKey, keyring: Path) -> None:
    with pytest.raises(SignatureError, match="not one signed text"):
        verified_text(key.clearsign(TEXT) + key.clearsign(TEXT), [keyring])


def test_a_machine_without_keys_is_told_what_to_install(key: SigningKey, tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match=r"debian-archive-keyring.*--insecure-mirror"):
        verified_text(key.clearsign(TEXT), archive_keyrings(tmp_path))


def test_a_machine_without_gpgv_is_told_what_to_install(
    key: SigningKey, keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(keyring.parent))
    with pytest.raises(SignatureError, match=r"neither gpgv nor sqv; install the package gpgv"):
        verified_text(key.clearsign(TEXT), [keyring])


def test_retired_keys_are_not_trusted(tmp_path: Path) -> None:
    for name in ("debian-archive-keyring.gpg", "debian-archive-removed-keys.gpg", "other.gpg"):
        (tmp_path / name).touch()
    assert [path.name for path in archive_keyrings(tmp_path)] == ["debian-archive-keyring.gpg"]
