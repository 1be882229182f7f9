from __future__ import annotations

from collector.verdicts.trouble import Reputation
from collector.verdicts.verdict import Outcome, Standing, take

S = 1_000_000


class World:
    """Monitors 1 to 10 on hosts of their own, seen from a and b."""

    def __init__(self, hosts: int = 10) -> None:
        self.hosts = {monitor: f"host-{monitor % hosts}" for monitor in range(1, 11)}
        self.standings: dict[int, dict[str, Standing]] = {each: {} for each in self.hosts}
        self.reputation = Reputation("a")
        for monitor in self.hosts:
            self.says("a", monitor, 1, "up")
            self.says("b", monitor, 1, "up")

    def says(self, location: str, monitor: int, second: float, outcome: Outcome) -> None:
        known = self.standings[monitor].get(location)
        stands = self.standings[monitor][location] = take(known, round(second * S), outcome)
        if location == "a":
            self.reputation.saw(monitor, is_failing=stands.failed > 0)

    def is_in_trouble(self, second: float, *unheard: str) -> bool:
        return self.reputation.judge(self.standings, self.hosts, round(second * S), unheard)


def test_many_that_fail_here_and_are_well_elsewhere_are_this_locations_trouble() -> None:
    world = World()
    for monitor in range(1, 5):
        world.says("a", monitor, 60, "down")
        world.says("b", monitor, 61, "up")
    assert not world.is_in_trouble(62)  # four of ten
    world.says("a", 5, 60, "down")
    world.says("b", 5, 61, "up")
    assert world.is_in_trouble(62)


def test_what_fails_everywhere_is_nobodys_trouble() -> None:
    world = World()
    for monitor in world.hosts:
        world.says("a", monitor, 60, "down")
    assert not world.is_in_trouble(60)  # nobody has looked since
    for monitor in world.hosts:
        world.says("b", monitor, 61, "down")
    assert not world.is_in_trouble(61)


def test_one_host_is_no_sign_of_trouble() -> None:
    world = World(hosts=2)
    for monitor in world.hosts:
        world.says("a", monitor, 60, "down")
        world.says("b", monitor, 61, "up")
    assert not world.is_in_trouble(62)


def test_who_is_in_trouble_cannot_accuse_others() -> None:
    world = World()
    for monitor in world.hosts:
        world.says("a", monitor, 60, "down")
        world.says("b", monitor, 61, "up")
    assert not world.is_in_trouble(62, "b")


def test_trouble_ends_when_it_has_been_well_for_a_minute() -> None:
    world = World()
    for monitor in world.hosts:
        world.says("a", monitor, 60, "down")
        world.says("b", monitor, 61, "up")
    assert world.is_in_trouble(62)
    for monitor in world.hosts:
        world.says("a", monitor, 120, "up")
    assert world.is_in_trouble(121)
    assert world.is_in_trouble(180)
    for monitor in range(1, 4):
        world.says("a", monitor, 180, "down")
        world.says("b", monitor, 181, "up")
    assert world.is_in_trouble(182)  # not well after all: it begins anew
    for monitor in range(1, 4):
        world.says("a", monitor, 240, "up")
    assert world.is_in_trouble(241)
    assert not world.is_in_trouble(301)


def test_monitors_that_are_gone_are_forgotten() -> None:
    world = World()
    for monitor in world.hosts:
        world.says("a", monitor, 60, "down")
        world.says("b", monitor, 61, "up")
    world.hosts = {1: "host-1"}
    assert not world.is_in_trouble(62)
    assert list(world.reputation.recent) == [1]
