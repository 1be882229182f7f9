from __future__ import annotations

from collector.verdicts.confirmation import Inquiry
from collector.verdicts.verdict import Outcome, Place, Rule, Standing, take

S = 1_000_000
TIMEOUT_US = 10 * S


class Asking:
    """One monitor's locations, which are asked and answer."""

    def __init__(self, rule: Rule = Rule(), places: str = "abcd") -> None:  # noqa: B008 - frozen
        self.rule = rule
        self.places = [Place(name) for name in places]
        self.inquiry = Inquiry()
        self.standings: dict[str, Standing] = {}
        for name in places:
            self.says(name, 1, "up")

    def says(self, name: str, second: float, outcome: Outcome) -> None:
        self.standings[name] = take(self.standings.get(name), round(second * S), outcome)

    def asks(self, second: float, *unheard: str) -> str:
        asked = self.inquiry.ask(
            self.rule,
            self.places,
            self.standings,
            round(second * S),
            timeout_us=TIMEOUT_US,
            unheard=unheard,
        )
        return "".join(sorted(asked))


def test_on_a_first_failure_everybody_is_asked_then_those_that_fail_again() -> None:
    asking = Asking()
    assert asking.asks(50) == ""
    asking.says("a", 60, "down")
    assert asking.asks(60.1) == "abcd"
    assert asking.asks(60.2) == ""
    for name in "abd":
        asking.says(name, 60.1, "down")
    asking.says("c", 60.1, "up")
    assert asking.asks(62) == ""
    assert asking.asks(63.1) == "abd"
    for name in "abd":
        asking.says(name, 63.1, "down")
    assert asking.asks(66.1) == "bd"  # a has failed three times


def test_nobody_is_asked_when_the_others_saw_it_well() -> None:
    asking = Asking()
    asking.says("a", 60, "down")
    asking.asks(60.1)
    for name in "bcd":
        asking.says(name, 60.1, "up")
    asking.says("a", 60.1, "down")
    assert asking.asks(64) == ""
    asking.says("b", 90, "down")  # another: two can be enough
    assert asking.asks(90.1) == "abcd"


def test_results_that_were_under_way_are_answers_too() -> None:
    asking = Asking()
    asking.says("a", 60, "down")
    for name in "bcd":
        asking.says(name, 60.05, "up")
    assert asking.asks(60.1) == ""


def test_who_does_not_answer_is_waited_for_and_then_given_up() -> None:
    asking = Asking()
    asking.says("a", 60, "down")
    asking.asks(60.1)
    asking.says("a", 60.1, "down")
    assert asking.asks(63.1) == "a"  # b, c and d may still answer
    asking.says("a", 63.1, "down")
    assert asking.asks(80) == ""
    asking.says("a", 120, "up")
    asking.says("a", 180, "down")
    assert asking.asks(180.1) == "abcd"


def test_one_location_is_asked_until_it_has_failed_often_enough() -> None:
    asking = Asking(places="a")
    asking.says("a", 60, "down")
    assert asking.asks(60.1) == "a"
    asking.says("a", 60.1, "down")
    assert asking.asks(61) == ""
    assert asking.asks(63.1) == "a"
    asking.says("a", 63.1, "down")
    assert asking.asks(70) == ""


def test_locations_in_trouble_are_neither_asked_nor_believed() -> None:
    asking = Asking()
    asking.says("a", 60, "down")
    assert asking.asks(60.1, "a") == ""
    assert asking.asks(60.2, "b") == "acd"
