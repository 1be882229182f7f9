from __future__ import annotations

from agent.result import Chain, Handshake
from agent.sightings import AGAIN_S, DAILY_MAX, Sightings


def handshake(number: int = 0, cipher: str = "TLS_AES_128_GCM_SHA256") -> Handshake:
    return Handshake("1.3", cipher, Chain((b"",), number.to_bytes(32, "big"), None))


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_each_is_told_once_for_each_monitor() -> None:
    sightings = Sightings(Clock())
    assert sightings.news(1, handshake()) == handshake()
    assert sightings.news(1, handshake()) is None
    assert sightings.news(2, handshake()) is not None
    assert sightings.news(1, None) is None


def test_another_chain_or_cipher_is_news_and_the_first_is_not_news_again() -> None:
    sightings = Sightings(Clock())
    sightings.news(1, handshake())
    assert sightings.news(1, handshake(2)) is not None
    assert sightings.news(1, handshake(cipher="TLS_CHACHA20_POLY1305_SHA256")) is not None
    assert sightings.news(1, handshake()) is None


def test_it_is_told_again_after_a_day() -> None:
    clock = Clock()
    sightings = Sightings(clock)
    sightings.news(1, handshake(1))
    clock.now_s = 10
    sightings.news(1, handshake(2))
    clock.now_s = AGAIN_S
    assert sightings.news(1, handshake(2)) is None
    assert sightings.news(1, handshake(1)) is not None


def test_a_target_with_ever_new_certificates_is_told_of_so_many_times_a_day() -> None:
    clock = Clock()
    sightings = Sightings(clock)
    told = [sightings.news(1, handshake(number)) for number in range(3 * DAILY_MAX)]
    assert sum(each is not None for each in told) == DAILY_MAX
    clock.now_s = AGAIN_S
    assert sightings.news(1, handshake(999)) is not None
