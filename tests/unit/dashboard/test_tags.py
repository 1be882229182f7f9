from __future__ import annotations

from datetime import UTC, datetime

from dashboard import tags
from dashboard.rows.monitor import Monitor


def monitor(number: int, *its: str) -> Monitor:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    url = f"https://{number}.example/"
    return Monitor(number, f"Monitor {number}", url, 60, 10_000_000, None, at, "request", [*its])


def test_tags_with_a_problem_come_first() -> None:
    monitors = [monitor(1, "shop"), monitor(2, "api", "shop"), monitor(3, "blog"), monitor(4)]
    states = {1: "up", 2: "down", 3: "up", 4: "slow"}
    found = tags.groups(monitors, states)
    assert [(group.tag, group.state) for group in found] == [
        ("api", "down"),
        ("shop", "down"),
        ("blog", "up"),
    ]
    assert [(group.troubled, group.number) for group in found] == [(1, 1), (1, 2), (0, 1)]
    assert tags.groups([monitor(4)], states) == []


def test_monitors_without_a_tag_come_last_of_their_state() -> None:
    monitors = [monitor(1, "shop"), monitor(2), monitor(3, "api")]
    found = tags.groups(monitors, {1: "up", 2: "up", 3: "down"}, with_untagged=True)
    assert [group.title for group in found] == ["api", "shop", "No tag"]


def test_few_monitors_are_all_open_and_of_many_those_with_a_problem() -> None:
    few = [monitor(1, "shop"), monitor(2, "api")]
    states = dict.fromkeys(range(1, 60), "up") | {1: "down"}
    assert tags.opened([], tags.groups(few, states)) == {"shop", "api"}
    many = [*few, *(monitor(number, "blog") for number in range(3, 60))]
    assert tags.opened([], tags.groups(many, states)) == {"shop"}


def test_what_a_reader_opens_and_closes_stays_so() -> None:
    known = tags.groups([monitor(1, "shop"), monitor(2, "api")], {1: "down", 2: "up"})
    asked = tags.toggled("shop", {"shop", "api"})
    assert tags.opened(asked, known) == {"", "api"}
    asked = tags.toggled("api", tags.opened(asked, known))
    assert not tags.opened(asked, known) - {""}, "all closed is not the same as nothing said"
    assert "shop" in tags.opened(tags.toggled("shop", tags.opened(asked, known)), known)


def test_a_group_shows_its_first_and_each_monitor_once() -> None:
    monitors = [monitor(number, "shop", "api") for number in range(1, 30)]
    shown = tags.members(monitors, {"shop", "api"})
    assert [each.id for each in shown] == list(range(1, tags.SHOWN_OF_A_GROUP + 1))
    assert tags.members(monitors, {""}) == []
