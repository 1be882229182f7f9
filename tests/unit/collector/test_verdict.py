from __future__ import annotations

from typing import Any

import pytest

from collector.verdicts.verdict import Outcome, Place, Rule, Standing, Verdict, decide, take

OUTCOMES: dict[str, Outcome] = {"u": "up", "s": "degraded", "d": "down"}
PLACES = [
    Place("fra", "DE", 1),
    Place("ber", "DE", 2),
    Place("iad", "US", 2),
    Place("sin"),
]


def standing(votes: str) -> Standing:
    """One vote a letter, at slots 1, 2, ..."""
    stands = None
    for slot_at_us, letter in enumerate(votes, start=1):
        stands = take(stands, slot_at_us, OUTCOMES[letter])
    assert stands is not None
    return stands


def verdict(rule: Rule, unheard: tuple[str, ...] = (), **votes: str) -> Verdict:
    standings = {name: standing(each) for name, each in votes.items()}
    return decide(rule, PLACES, standings, together_us=2, fresh_after_us=0, unheard=unheard)


ONCE = Rule(consecutive=1)


@pytest.mark.parametrize(
    ("rule", "votes", "state"),
    [
        (ONCE, {}, "unknown"),
        (ONCE, {"fra": "u", "ber": "u", "iad": "u", "sin": "u"}, "up"),
        (ONCE, {"fra": "d", "ber": "u", "iad": "u", "sin": "u"}, "up"),
        (ONCE, {"fra": "d", "ber": "u", "iad": "d", "sin": "u"}, "down"),
        (ONCE, {"fra": "s", "ber": "u", "iad": "d", "sin": "u"}, "degraded"),
        (ONCE, {"fra": "d"}, "unknown"),  # the only one that says anything, and one is too few
        (ONCE, {"fra": "u"}, "up"),
        (
            Rule(needed_locations=9, consecutive=1),
            dict.fromkeys(("fra", "ber", "iad"), "d"),
            "unknown",
        ),
        (
            Rule(needed_locations=9, consecutive=1),
            dict.fromkeys(("fra", "ber", "iad", "sin"), "d"),
            "down",
        ),
        (Rule(consecutive=2), {"fra": "ud", "ber": "ud", "iad": "uu"}, "up"),
        (Rule(consecutive=2), {"fra": "udd", "ber": "ddd", "iad": "uu"}, "down"),
        (Rule(consecutive=2), {"fra": "ddu", "ber": "ddd", "iad": "uu"}, "up"),
        (Rule(consecutive=2), {"fra": "ds", "ber": "ss", "iad": "uu"}, "degraded"),
        (
            Rule(needed_locations=None, needed_percent=50, consecutive=1),
            {"fra": "d", "ber": "u", "iad": "u"},
            "up",
        ),
        (
            Rule(needed_locations=None, needed_percent=50, consecutive=1),
            {"fra": "d", "ber": "d", "iad": "u"},
            "down",
        ),
        (Rule(consecutive=1, distinct_by="country"), {"fra": "d", "ber": "d", "iad": "u"}, "up"),
        (Rule(consecutive=1, distinct_by="country"), {"fra": "d", "sin": "d", "iad": "u"}, "down"),
        (Rule(consecutive=1, distinct_by="network"), {"ber": "d", "iad": "d", "fra": "u"}, "up"),
        (Rule(consecutive=1, distinct_by="network"), {"fra": "d", "iad": "d", "sin": "u"}, "down"),
    ],
)
def test_the_rule_decides(rule: Rule, votes: dict[str, Any], state: str) -> None:
    assert verdict(rule, **votes).state == state


def test_a_verdict_says_who_fails_and_since_when() -> None:
    assert verdict(Rule(consecutive=2), fra="udd", ber="dddd", iad="uus", sin="ss") == Verdict(
        "down", 4, 2, ("ber", "fra"), ("sin",), 1
    )


def test_what_failed_long_before_enough_did_is_no_beginning_of_their_outage() -> None:
    assert verdict(ONCE, fra="uddddd", ber="uuuddd").failing_since_us == 2
    assert verdict(ONCE, fra="dddddd", ber="uuuddd").failing_since_us == 4
    # Two in one country, of which one has failed for long.
    countries = Rule(consecutive=1, distinct_by="country")
    assert verdict(countries, fra="ddddddd", ber="uuuuddd", iad="uuuuudd").failing_since_us == 6
    # Below the rule it is since then that it fails.
    assert verdict(ONCE, fra="dddddd", ber="uuuuuu").failing_since_us == 1


def test_locations_in_trouble_have_no_vote() -> None:
    votes = {"fra": "d", "ber": "d", "iad": "u", "sin": "u"}
    assert verdict(ONCE, ("ber",), **votes) == Verdict("up", 3, 2, ("fra",), (), 1)
    assert verdict(ONCE, ("fra", "ber", "iad", "sin"), **votes).state == "unknown"


def test_old_votes_do_not_count() -> None:
    standings = {"fra": standing("ddd"), "ber": standing("dddd"), "iad": standing("uuuu")}
    assert decide(ONCE, PLACES, standings, together_us=2, fresh_after_us=2).state == "down"
    assert decide(ONCE, PLACES, standings, together_us=2, fresh_after_us=3) == Verdict(
        "up", 2, 2, ("ber",), (), 1
    )
    assert decide(ONCE, PLACES, standings, together_us=2, fresh_after_us=4).state == "unknown"


def test_a_vote_that_is_no_newer_changes_nothing() -> None:
    stands = standing("uudd")
    assert take(stands, 4, "up") is stands
    assert take(stands, 2, "up") is stands


def test_what_remains_of_a_failure_is_when_it_ended() -> None:
    stands = standing("udduu")
    assert (stands.failed, stands.failing_since_us) == (0, None)
    assert (stands.failed_at_us, stands.well_since_us) == (3, 4)
    assert take(stands, 9, "down") == Standing(9, "down", 1, 1, 9, 9)


@pytest.mark.parametrize(
    ("rule", "slower", "state", "told"),
    [
        (Rule(), ("fra", "iad"), "degraded", ("fra", "iad")),
        (Rule(), ("fra",), "up", ()),
        (Rule(slower_locations=1), ("fra",), "degraded", ("fra",)),
        (Rule(slower_locations=9), ("fra", "ber", "iad"), "up", ()),
        (Rule(slower_locations=9), ("fra", "ber", "iad", "sin"), "degraded", None),
        (Rule(distinct_by="country"), ("fra", "ber"), "up", ()),
        (Rule(distinct_by="country"), ("fra", "iad"), "degraded", ("fra", "iad")),
        (Rule(), ("fra", "gone"), "up", ()),  # it is assigned no more
    ],
)
def test_enough_locations_that_are_slower_than_usual_degrade(
    rule: Rule, slower: tuple[str, ...], state: str, told: tuple[str, ...] | None
) -> None:
    standings = {place.name: standing("uuu") for place in PLACES}
    found = decide(rule, PLACES, standings, together_us=2, fresh_after_us=0, slower=slower)
    assert found.state == state
    assert found.slower == (tuple(sorted(slower)) if told is None else told)


def test_who_has_no_vote_is_not_slower_either() -> None:
    standings = {place.name: standing("uuu") for place in PLACES}
    found = decide(
        Rule(),
        PLACES,
        standings,
        together_us=2,
        fresh_after_us=0,
        unheard=["iad"],
        slower=["fra", "iad"],
    )
    assert found.state == "up"
    assert (
        decide(
            Rule(), PLACES, standings, together_us=2, fresh_after_us=9, slower=["fra", "iad"]
        ).slower
        == ()
    )


def test_down_is_worse_than_slower_than_usual() -> None:
    standings = {place.name: standing("ddd") for place in PLACES}
    assert (
        decide(
            Rule(), PLACES, standings, together_us=2, fresh_after_us=0, slower=["fra", "iad"]
        ).state
        == "down"
    )
