from __future__ import annotations

import pytest

from collector.errors import CollectorError
from collector.telling import mailer


def test_a_mail_server_is_read() -> None:
    server = mailer.parse("smtps://ann%40acme@mail.example", "secret", "V <v@acme.example>")
    assert (server.host, server.port, server.user) == ("mail.example", 465, "ann@acme")
    assert server.domain == "acme.example"
    assert "secret" not in repr(server)
    assert mailer.parse("smtp://mail.example", "", "v@acme.example").port == 587


@pytest.mark.parametrize(
    ("url", "start_tls", "password"),
    [
        ("smtp://ann@mail.example", True, "secret"),
        ("smtps://ann@mail.example", None, "secret"),
        ("smtp://ann@127.0.0.1", None, "secret"),
        ("smtp://mail.example", None, None),
    ],
)
def test_a_password_goes_over_no_line_that_others_may_read(
    url: str, start_tls: bool | None, password: str | None
) -> None:
    connection = mailer.parse(url, "secret", "v@acme.example").connection
    assert (connection["start_tls"], connection["password"]) == (start_tls, password)


@pytest.mark.parametrize(
    ("url", "sender", "why"),
    [
        ("mail.example", "v@acme.example", "is no mail server. Write --smtp smtp://"),
        ("smtp://mail.example:port", "v@acme.example", "is no mail server"),
        ("smtp://ann:secret@mail.example", "v@acme.example", "with --smtp-password-file"),
        ("smtp://mail.example", "", "Say whom mail comes from"),
        ("smtp://mail.example", "nobody", "'nobody' is no address that mail can come from"),
        ("smtp://mail.example", "V <nobody>", "no address that mail can come from"),
    ],
)
def test_what_is_no_mail_server_is_said_to_be_none(url: str, sender: str, why: str) -> None:
    with pytest.raises(CollectorError, match=why) as raised:
        mailer.parse(url, "", sender)
    assert "secret" not in str(raised.value)
