"""A webhook that cannot be reached, over real sockets: why, in words, and never the URL."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from collector.errors import TransientError
from collector.telling import webhook
from collector.telling.destination import Destination


def gone(listener: socket.socket) -> None:
    listener.close()


def silent(listener: socket.socket) -> None:
    """Nobody ever answers."""


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (gone, "Connection refused."),
        (silent, "it does not answer in time."),
    ],
)
def test_why_it_cannot_be_reached(
    behave: Callable[[socket.socket], None], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "PATIENCE_S", (0.5, 0.5))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/secret-path"
        behave(listener)
        with pytest.raises(TransientError) as told:
            webhook.post(Destination("webhook", address, "whsec_x"), 1, {})
    assert str(told.value) == f"The webhook cannot be reached: {words}"
