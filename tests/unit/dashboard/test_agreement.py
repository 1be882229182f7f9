from __future__ import annotations

from dataclasses import dataclass

import pytest

from dashboard import agreement, overview
from dashboard.rows.monitor import Watched

TITLES = ("Frankfurt", "Ashburn", "Singapore", "Sydney", "Tokyo")


@dataclass(frozen=True)
class Spot:
    title: str
    state: str
    has_trouble: bool = False
    failure: str | None = None


def spots(states: str) -> list[Spot]:
    """``up down! up``: the second has trouble itself."""
    return [
        Spot(title, each.rstrip("!"), each.endswith("!"))
        for title, each in zip(TITLES, states.split(), strict=False)
    ]


@pytest.mark.parametrize(
    ("verdict", "states", "state", "sentence"),
    [
        (None, "", "waiting", "Waiting for the first result…"),
        (None, "waiting waiting", "waiting", "Waiting for the first result…"),
        ("up", "paused paused", "paused", "Paused"),
        ("up", "up", "up", "Up from its one location"),
        ("up", "up up up", "up", "Up from all 3 locations"),
        ("down", "down down up", "down", "Down from 2 of 3 locations"),
        ("down", "down", "down", "Down from its one location"),
        ("degraded", "slow slow up", "slow", "Slow from 2 of 3 locations"),
        (
            "degraded",
            "slow down up",
            "slow",
            "Slow from 1 of 3 locations; failing from Ashburn",
        ),
        # Of every one of these the worst location says something else than the verdict.
        (
            "up",
            "up down! up up up",
            "up",
            "Up from 4 of 5 locations; failing only from Ashburn, which has trouble itself",
        ),
        (
            "up",
            "up down! down! up up",
            "up",
            "Up from 3 of 5 locations; failing only from Ashburn and Singapore, "
            "which have trouble themselves",
        ),
        ("up", "up up down", "up", "Up from 2 of 3 locations; failing from Singapore"),
        (
            "up",
            "up down down! slow missing",
            "up",
            "Up from 1 of 5 locations; failing from Ashburn and from Singapore, which has trouble "
            "itself; slow from Sydney; no data from Tokyo",
        ),
        ("up", "up waiting", "up", "Up from 1 of 2 locations; waiting for Ashburn"),
        ("up", "down", "up", "Up; failing from Frankfurt"),
        # Too few can tell.
        (
            "unknown",
            "down down!",
            "missing",
            "Too few locations can tell; failing from Frankfurt and from Ashburn, "
            "which has trouble itself",
        ),
        ("unknown", "up", "missing", "Too few locations can tell"),
        # What was said before nothing was heard any more.
        ("up", "missing missing", "missing", "No data from both locations"),
        (
            "down",
            "missing waiting",
            "missing",
            "No data from 1 of 2 locations; waiting for Ashburn",
        ),
        # Nobody has judged it yet.
        (None, "up up", "up", "Up from both locations"),
        (None, "up down", "missing", "Too few locations can tell; failing from Ashburn"),
    ],
)
def test_the_verdict_says_how_a_monitor_stands_and_words_what_differs(
    verdict: str | None, states: str, state: str, sentence: str
) -> None:
    seen = spots(states)
    assert agreement.state(agreement.counted(seen), verdict) == state
    assert agreement.sentence(state, seen) == sentence


def test_what_is_degraded_by_something_else_is_not_called_slow() -> None:
    broken = Spot("Paris", "slow", failure="resource_failed")
    slow = Spot("Tokyo", "slow", failure="too_slow")
    well = Spot("Oslo", "up")
    for seen, said in (
        ([broken, well], "Degraded from 1 of 2 locations"),
        ([slow, well], "Slow from 1 of 2 locations"),
        ([broken, slow], "Degraded from both locations"),
    ):
        assert agreement.sentence("slow", seen) == said
    assert agreement.sentence("up", [well, well, slow, broken]) == (
        "Up from 2 of 4 locations; slow from Tokyo; degraded from Paris"
    )


def test_what_is_slower_than_usual_is_said_to_be_that() -> None:
    assert agreement.sentence("slow", spots("up up up"), slower=2) == (
        "Slower than usual from 2 of 3 locations"
    )
    assert agreement.sentence("slow", spots("slow slow up"), slower=3) == (
        "Slow from 2 of 3 locations"
    )


def test_no_monitor_is_down_without_a_verdict_that_says_so() -> None:
    for verdict in (None, "up", "degraded", "unknown"):
        for states in ("down", "down down", "down up", "down slow missing"):
            numbers = agreement.counted(spots(states))
            assert agreement.state(numbers, verdict) != "down"


def watched(verdict: str, **numbers: int) -> Watched:
    states = dict.fromkeys(("up", "slow", "down", "missing", "waiting"), 0) | numbers
    return Watched(1, "Shop", "https://a.example/", [], False, **states, verdict=verdict, slower=0)


def test_what_fails_from_one_place_comes_first_of_what_is_up() -> None:
    down = watched("down", down=1)
    partly = watched("up", up=4, down=1)
    well = watched("up", up=5)
    assert sorted([well, partly, down], key=lambda each: each.rank) == [down, partly, well]
    assert [each.is_partly_up for each in (down, partly, well)] == [False, True, False]


@pytest.mark.parametrize(
    ("states", "partly", "sentence"),
    [
        (["up", "up"], 0, "All 2 monitors are up"),
        (["up", "up"], 1, "All 2 monitors are up, 1 not from everywhere"),
        (["up"], 1, "The monitor is up, not from everywhere"),
        (["up", "down"], 1, "1 of 2 monitors has a problem"),
    ],
)
def test_the_overview_counts_no_problem_where_only_a_location_has_one(
    states: list[str], partly: int, sentence: str
) -> None:
    assert overview.sentence(states, partly=partly) == sentence
