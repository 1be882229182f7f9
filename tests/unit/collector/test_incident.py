from __future__ import annotations

from collector.verdicts.incident import Incident, Kind, advance
from collector.verdicts.verdict import Rule, State, Verdict

S = 1_000_000
RULE = Rule(closes_after_us=120 * S)
CAREFUL = Rule(closes_after_us=120 * S, opens_when_degraded=True)


def verdict(state: State, *failing: str) -> Verdict:
    since_us = 1 * S if failing else None
    return Verdict(state, 4, 2, failing, (), since_us)


class Life:
    """One monitor's incident as time passes."""

    def __init__(self, rule: Rule = RULE) -> None:
        self.rule = rule
        self.incident: Incident | None = None

    def at(self, second: int, state: State, *failing: str, may_open: bool = True) -> list[Kind]:
        self.incident, kinds = advance(
            self.incident, self.rule, verdict(state, *failing), second * S, may_open=may_open
        )
        return list(kinds)


def test_an_incident_opens_recovers_and_closes_when_it_stays_well() -> None:
    life = Life()
    assert life.at(9, "up") == []
    assert life.at(10, "down", "a", "b") == ["opened"]
    assert life.incident == Incident("down", 1 * S, 10 * S, frozenset("ab"))
    assert life.at(11, "down", "a", "b") == []
    assert life.at(12, "down", "a", "b", "c") == ["updated"]
    assert life.at(13, "down", "b", "c") == []  # fewer are no news
    assert life.at(20, "up") == ["recovered"]
    assert life.at(139, "up") == []
    assert life.at(140, "up") == ["closed"]
    assert life.incident is not None
    assert life.incident.recovered_at_us == 20 * S
    assert life.incident.closed_at_us == 140 * S


def test_flapping_is_one_incident_that_takes_ever_longer_to_close() -> None:
    life = Life()
    life.at(0, "down", "a", "b")
    assert life.at(10, "up") == ["recovered"]
    assert life.at(60, "down", "a", "b") == ["relapsed"]
    assert life.at(70, "up") == ["recovered"]
    assert life.at(190, "up") == ["closed"]
    assert life.at(300, "down", "a", "d") == ["reopened"]
    assert life.incident is not None
    assert life.incident.locations == frozenset("abd")
    assert life.at(310, "up") == ["recovered"]
    assert life.at(310 + 239, "up") == []
    assert life.at(310 + 240, "up") == ["closed"]


def test_what_fails_long_after_is_another_incident() -> None:
    life = Life()
    life.at(0, "down", "a", "b")
    life.at(10, "up")
    life.at(130, "up")
    assert life.at(130 + 901, "down", "a", "b") == ["opened"]


def test_what_nobody_can_tell_changes_nothing() -> None:
    life = Life()
    assert life.at(0, "unknown", "a") == []
    life.at(1, "down", "a", "b")
    assert life.at(2, "unknown") == []
    life.at(3, "up")
    assert life.at(500, "unknown") == []
    assert life.at(501, "up") == ["closed"]


def test_degraded_opens_only_where_the_rule_says_so() -> None:
    assert Life().at(0, "degraded") == []
    life = Life(CAREFUL)
    assert life.at(0, "degraded") == ["opened"]
    assert life.at(1, "down", "a", "b") == ["worsened"]
    assert life.at(2, "degraded") == []
    assert life.incident is not None
    assert life.incident.severity == "down"
    assert life.at(3, "up") == ["recovered"]
    calm = Life()
    calm.at(0, "down", "a", "b")
    assert calm.at(1, "degraded", "a") == ["recovered"]


def test_none_opens_during_maintenance() -> None:
    life = Life()
    assert life.at(0, "down", "a", "b", may_open=False) == []
    assert life.at(1, "down", "a", "b") == ["opened"]
    assert life.at(2, "up") == ["recovered"]
    assert life.at(3, "down", "a", "b", may_open=False) == []


def test_one_may_close_at_once() -> None:
    life = Life(Rule(closes_after_us=0))
    life.at(0, "down", "a", "b")
    assert life.at(1, "up") == ["recovered", "closed"]
