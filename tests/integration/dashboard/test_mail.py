"""Handing in mail: over TLS with a password, and what operators are told when it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.errors import DashboardError
from dashboard.mail import Mailer, parse
from tests.support.certificates import TestAuthority
from tests.support.mailbox import PASSWORD, USER, mailbox


async def test_a_password_goes_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = TestAuthority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    with mailbox(tls=authority.issue("127.0.0.1").server_context()) as box:
        server = parse(f"smtp://{USER}@127.0.0.1:{box.port}", PASSWORD, "a@b.example")
        assert PASSWORD not in repr(server)
        mailer = Mailer(server)
        mailer.send("ann@example.org", "reset", link="https://x.example/?a=1&b=2")
        await mailer.close()
        assert "https://x.example/?a=1&b=2" in box.wait_for("ann@example.org").get_content()


async def test_a_name_makes_no_header_of_its_own() -> None:
    with mailbox() as box:
        mailer = Mailer(parse(f"smtp://127.0.0.1:{box.port}", "", "a@b.example"))
        mailer.send("x@y.example", "invite", inviter="A\nBcc: all@x", account="B", link="L")
        await mailer.close()
        assert box.wait_for("x@y.example")["Bcc"] is None


@pytest.mark.parametrize(
    ("url", "sender", "sentence"),
    [
        ("http://mail.example.com", "a@b", "is no mail server"),
        ("smtp://me:secret@mail.example.com", "a@b", "--smtp-password-file"),
        ("smtp://mail.example.com", "", "--mail-from"),
    ],
)
def test_what_cannot_be_a_mail_server(url: str, sender: str, sentence: str) -> None:
    with pytest.raises(DashboardError, match=sentence) as caught:
        parse(url, "", sender)
    assert "secret@" not in str(caught.value) or "is no mail" in str(caught.value)
