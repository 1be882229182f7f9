"""What nobody's server says first; the others are in tests/integration/agent/test_schemes.py."""

from __future__ import annotations

import pytest

from agent.greeting import GREETINGS


@pytest.mark.parametrize(("scheme", "line"), [("smtp", b"220-a\n"), ("ssh", b"\n")])
def test_too_many_lines_are_no_greeting(scheme: str, line: bytes) -> None:
    read = GREETINGS[scheme].read
    assert read(line * 199) is None
    with pytest.raises(ValueError, match="200 lines"):
        read(line * 200)


@pytest.mark.parametrize(("scheme", "line"), [("smtp", b"220 a\n"), ("ssh", b"SSH-2.0-a\n")])
def test_what_comes_behind_a_greeting_may_be_anything(scheme: str, line: bytes) -> None:
    said = GREETINGS[scheme].read(line + b"\n" * 999)
    assert said is not None
    assert said.text == line.decode().strip()
