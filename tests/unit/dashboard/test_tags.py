from __future__ import annotations

from dashboard import tags
from dashboard.rows.monitor import Watched

VERDICTS = {"slow": "degraded"}


def monitor(number: int, *its: str, state: str = "up") -> Watched:
    url = f"https://{number}.example/"
    states = {name: int(name == state) for name in ("up", "slow", "down", "missing", "waiting")}
    return Watched(
        number,
        f"Monitor {number}",
        url,
        [*its],
        is_paused=False,
        **states,
        verdict=VERDICTS.get(state, state),
        slower=0,
    )


def test_tags_with_a_problem_come_first() -> None:
    monitors = [
        monitor(1, "shop"),
        monitor(2, "api", "shop", state="down"),
        monitor(3, "blog"),
        monitor(4, state="slow"),
    ]
    found = tags.groups(monitors)
    assert [(group.tag, group.state) for group in found] == [
        ("api", "down"),
        ("shop", "down"),
        ("blog", "up"),
    ]
    assert [(group.troubled, group.number) for group in found] == [(1, 1), (1, 2), (0, 1)]
    assert tags.groups([monitor(4)]) == []


def test_monitors_without_a_tag_come_last_of_their_state() -> None:
    monitors = [monitor(1, "shop"), monitor(2), monitor(3, "api", state="down")]
    found = tags.groups(monitors, with_untagged=True)
    assert [group.title for group in found] == ["api", "shop", "No tag"]


def test_few_monitors_are_all_open_and_of_many_those_with_a_problem() -> None:
    few = [monitor(1, "shop", state="down"), monitor(2, "api")]
    assert tags.opened([], tags.groups(few)) == {"shop", "api"}
    many = [*few, *(monitor(number, "blog") for number in range(3, 60))]
    assert tags.opened([], tags.groups(many)) == {"shop"}


def test_what_a_reader_opens_and_closes_stays_so() -> None:
    known = tags.groups([monitor(1, "shop", state="down"), monitor(2, "api")])
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
