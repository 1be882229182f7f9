"""The judge against an oracle that looks at the whole history anew each time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.verdicts.incident import REOPENS_WITHIN_US
from collector.verdicts.judge import Ask, Case, Decisions, Judge, Step, Vote, Watched
from collector.verdicts.verdict import Outcome, Place, Rule, Standing, take

S = 1_000_000
BEGIN_US = 1_800_000_000 * S
PLACES = (Place("a", "de", 1), Place("b", "de", 2), Place("c", "fr", 2), Place("d"))
MONITOR = Watched(
    id=1,
    account_id=1,
    host="example.org",
    interval_us=60 * S,
    timeout_us=10 * S,
    rule=Rule(closes_after_us=120 * S),
    places=PLACES,
)


def at(second: float) -> int:
    return BEGIN_US + round(second * S)


class Court:
    """A judge and what it decided, step by step."""

    def __init__(self, *watched: Watched) -> None:
        self.judge = Judge(sweeps=1)
        self.judge.configure(watched)
        self.steps: list[Step] = []
        self.asks: list[Ask] = []

    def hears(self, second: float, places: str, outcome: Outcome, monitor: int = 1) -> None:
        for name in places:
            self.judge.hear(Vote(monitor, name, at(second), outcome), received_at_us=at(second))

    def decides(self, second: float) -> Decisions:
        decisions = self.judge.judge(at(second))
        self.steps += decisions.steps
        self.asks += decisions.asks
        return decisions

    @property
    def kinds(self) -> list[tuple[int, str]]:
        return [(step.monitor_id, step.kind) for step in self.steps]


def fails(court: Court, second: float, places: str, monitor: int = 1) -> None:
    """Three times in a row, as the rule wants it."""
    for later in range(3):
        court.hears(second + later, places, "down", monitor)


def test_an_outage_is_confirmed_and_opens_one_incident() -> None:
    court = Court(MONITOR)
    court.hears(0, "abcd", "up")
    assert not court.decides(1).steps
    court.hears(60, "a", "down")
    assert court.decides(60.1).asks == [Ask(1, ("a", "b", "c", "d"))]
    court.hears(60.1, "abcd", "down")
    court.decides(60.2)
    assert court.decides(62.1).asks == [Ask(1, ("a", "b", "c", "d"))]
    court.hears(62.1, "abcd", "down")
    assert court.decides(64.1).asks == [Ask(1, ("b", "c", "d"))]
    court.hears(64.1, "bcd", "down")
    decided = court.decides(64.2)
    assert [step.kind for step in decided.steps] == ["opened"]
    assert court.judge.cases[1].incident.began_at_us == at(60)
    assert court.judge.verdicts[1].state == "down"
    assert not court.decides(67).asks


def test_results_that_were_held_up_have_no_vote() -> None:
    court = Court(MONITOR)
    court.hears(0, "abcd", "up")
    for second in (60, 120, 180):
        vote = Vote(1, "a", at(second), "down")
        assert not court.judge.hear(vote, received_at_us=at(second + 41))
        assert court.judge.hear(vote._replace(location="b"), received_at_us=at(second + 39))
    court.decides(219)
    assert court.judge.verdicts[1].failing == ("b",)


def test_nothing_is_known_when_nobody_votes_any_more() -> None:
    court = Court(MONITOR)
    fails(court, 0, "abcd")
    court.decides(3)
    states = [court.judge.verdicts[1].state]
    court.decides(163)
    assert [*states, court.judge.verdicts[1].state] == ["down", "unknown"]
    assert court.kinds == [(1, "opened")]  # and the incident stays


def test_a_paused_monitor_closes_its_incident() -> None:
    court = Court(MONITOR)
    fails(court, 0, "abcd")
    court.decides(3)
    court.judge.configure([])
    decided = court.decides(4)
    assert [(step.kind, step.why) for step in decided.steps] == [
        ("closed", "It is no longer watched.")
    ]
    assert decided.verdicts == {1: None}


def test_no_incident_opens_in_maintenance_but_one_may_after_it() -> None:
    court = Court(replace(MONITOR, is_in_maintenance=True))
    fails(court, 0, "abcd")
    decided = court.decides(3)
    assert not decided.steps
    assert not decided.asks
    court.judge.configure([MONITOR])
    assert [step.kind for step in court.decides(4).steps] == ["opened"]


def test_a_location_in_trouble_is_not_believed_and_asks_nobody() -> None:
    monitors = [replace(MONITOR, id=each, host=f"host-{each}") for each in range(1, 11)]
    court = Court(*monitors)
    for each in range(1, 11):
        court.hears(0, "abcd", "up", each)
    court.decides(1)
    for each in range(1, 11):
        fails(court, 60, "a", each)
        court.hears(63, "bcd", "up", each)
    decided = court.decides(63.5)
    assert decided.troubles == {"a": True}
    assert not decided.asks
    assert court.judge.verdicts[1].failing == ()
    for each in range(1, 11):
        fails(court, 70, "b", each)  # now a second one, and with a's there would be two
    court.decides(74)
    assert not court.steps


def test_a_location_in_trouble_is_so_to_the_next_judge_though_nothing_comes_in() -> None:
    monitors = [replace(MONITOR, id=each, host=f"host-{each}") for each in range(1, 11)]
    court = Court(*monitors)
    for each in range(1, 11):
        fails(court, 60, "a", each)
        court.hears(63, "bcd", "up", each)
    assert court.decides(63.5).troubles == {"a": True}
    after = Court(*monitors)
    after.judge.resume(court.judge.standings, court.judge.verdicts, {}, {"a"})
    for second in range(64, 200):
        assert not after.decides(second).troubles
    for each in range(1, 11):
        after.hears(200, "abcd", "up", each)
    assert [after.decides(second).troubles for second in (201, 261)] == [{}, {"a": False}]


CHILD = replace(MONITOR, id=2, parents=(1,))


def test_an_outage_of_what_it_depends_on_silences_a_monitor() -> None:
    court = Court(MONITOR, CHILD)
    for monitor in (1, 2):
        court.hears(0, "abcd", "up", monitor)
    court.decides(1)
    fails(court, 60, "abcd", 2)
    decided = court.decides(63)
    assert not decided.steps  # the parent may be down as well
    fails(court, 62, "abcd", 1)
    assert [(step.monitor_id, step.kind) for step in court.decides(65).steps] == [
        (1, "opened"),
        (2, "opened"),
    ]
    assert court.judge.cases[2].silenced_by == 1
    court.hears(120, "abcd", "up", 1)
    court.decides(121)
    court.hears(240, "abcd", "up", 1)
    fails(court, 240, "abcd", 2)
    court.decides(243)
    assert court.kinds[2:] == [(1, "recovered"), (1, "closed"), (2, "unsilenced")]


def test_a_monitor_asks_what_it_depends_on_and_waits_no_longer_than_that() -> None:
    court = Court(MONITOR, CHILD)
    for monitor in (1, 2):
        court.hears(0, "abcd", "up", monitor)
    court.decides(1)
    court.hears(60, "a", "down", 2)
    assert Ask(1, ("a", "b", "c", "d")) in court.decides(60.1).asks
    fails(court, 61, "abcd", 2)
    assert not court.decides(64).steps
    court.hears(64.5, "abcd", "up", 1)
    assert [step.kind for step in court.decides(65).steps] == ["opened"]
    assert court.judge.cases[2].silenced_by is None


def test_a_parent_that_says_nothing_holds_nothing_up_for_long() -> None:
    court = Court(MONITOR, CHILD)
    for monitor in (1, 2):
        court.hears(0, "abcd", "up", monitor)
    fails(court, 60, "abcd", 2)
    assert not court.decides(63).steps
    assert not court.decides(72).steps
    assert [step.kind for step in court.decides(73).steps] == ["opened"]


# The oracle -------------------------------------------------------------------------------------


@dataclass
class Oracle:
    """Keeps every vote and every verdict, and derives the rest from all of them each time."""

    rule: Rule
    votes: dict[str, list[tuple[int, Outcome]]] = field(
        default_factory=lambda: {place.name: [] for place in PLACES}
    )
    states: list[tuple[int, str, bool | None]] = field(default_factory=list)
    slower: frozenset[str] = frozenset()
    unheard: frozenset[str] = frozenset()
    is_in_maintenance: bool = False

    def hear(self, place: str, slot_us: int, outcome: Outcome, received_us: int) -> None:
        known = self.votes[place]
        if received_us - slot_us <= 40 * S and all(slot_us > other for other, _ in known):
            known.append((slot_us, outcome))

    def counted(self, names: Iterable[str]) -> int:
        """How many independent ones these locations are."""
        wheres: dict[str, dict[str, object]] = {
            "location": {},
            "country": {place.name: place.country for place in PLACES},
            "network": {place.name: place.network for place in PLACES},
        }
        where = wheres[self.rule.distinct_by]
        return len({where.get(name) or name for name in names})

    def judge(self, now_us: int) -> None:
        """Note how it stands, and whether that is only slower than usual."""
        fresh = {
            name: [outcome for _, outcome in votes]
            for name, votes in self.votes.items()
            if votes and votes[-1][0] > now_us - 160 * S and name not in self.unheard
        }
        last = self.rule.consecutive
        down = {n for n, o in fresh.items() if len(o) >= last and set(o[-last:]) == {"down"}}
        below = {n for n, o in fresh.items() if len(o) >= last and "up" not in o[-last:]}
        everywhere = self.counted(place.name for place in PLACES)
        if self.rule.needed_percent is None:
            needed = min(self.rule.needed_locations or 0, everywhere)
        else:
            voting = self.counted(fresh)
            needed = next(n for n in range(1, 99) if n * 100 >= voting * self.rule.needed_percent)
        is_slower = self.rule.slower_for_us is not None and self.counted(
            self.slower & fresh.keys()
        ) >= min(self.rule.slower_locations, everywhere)
        if not fresh:
            state = "unknown"
        elif self.counted(down) >= max(needed, 1):
            state = "down"
        elif self.counted(below) >= max(needed, 1) or is_slower:
            state = "degraded"
        else:
            state = "unknown" if self.counted(down) == self.counted(fresh) else "up"
        opens = state == "down" or (
            state == "degraded" and (self.rule.opens_when_degraded or is_slower)
        )
        # None: it is bad, and nobody wants to know.
        self.states.append((now_us, state, None if opens and self.is_in_maintenance else opens))

    def pause(self, now_us: int) -> None:
        """Forget it all; what is open closes."""
        for votes in self.votes.values():
            votes.clear()
        self.states.append((now_us, "paused", False))

    def incidents(self) -> list[tuple[int, int | None, int]]:
        """When each opened and closed, and how often it was reopened."""
        found: list[tuple[int, int | None, int]] = []
        well_since: int | None = None
        may_reopen = False
        for now_us, state, is_bad in self.states:
            is_open = bool(found) and found[-1][1] is None
            if state == "paused":
                if is_open:
                    found[-1] = (found[-1][0], now_us, found[-1][2])
                may_reopen, well_since = False, None
            elif is_bad is None:
                continue
            elif is_bad:
                well_since = None
                if may_reopen and not is_open and now_us - (found[-1][1] or 0) <= REOPENS_WITHIN_US:
                    found[-1] = (found[-1][0], None, found[-1][2] + 1)
                elif not is_open:
                    found.append((now_us, None, 0))
            elif state != "unknown" and is_open:
                well_since = now_us if well_since is None else well_since
                most = max(self.rule.closes_after_us, 1800 * S)
                if now_us - well_since >= min(self.rule.closes_after_us * 2 ** found[-1][2], most):
                    found[-1] = (found[-1][0], now_us, found[-1][2])
                    may_reopen = True
        return found


COMPARED = {
    "distinct_by": st.sampled_from(["location", "country", "network"]),
    "slower_for_us": st.sampled_from([None, 900 * S]),
    "slower_locations": st.sampled_from([1, 2, 3, 9]),
}
rules = st.builds(
    Rule,
    needed_locations=st.integers(1, 5),
    consecutive=st.integers(1, 4),
    closes_after_us=st.sampled_from([0, 60 * S, 120 * S, 600 * S]),
    opens_when_degraded=st.booleans(),
    **COMPARED,
) | st.builds(
    Rule,
    needed_locations=st.none(),
    needed_percent=st.integers(1, 100),
    consecutive=st.integers(1, 3),
    closes_after_us=st.sampled_from([0, 120 * S]),
    **COMPARED,
)
# Outages last, or histories would be noise in which nothing ever opens.
phases = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "up",
                "up",
                "down",
                "down",
                "degraded",
                "slower",
                "slower",
                "silence",
                "restart",
                "pause",
            ]
        ),
        st.just(set("abcd")) | st.sets(st.sampled_from("abcd"), min_size=1),
        st.integers(1, 20),
        # Of some locations all agents are silent, or somebody works on it.
        st.sampled_from(["", "", "", "unheard", "maintenance"]),
    ),
    max_size=12,
)
noise = st.lists(
    st.tuples(st.sampled_from(["up", "down", "degraded"]), st.integers(-60, 5)), max_size=30
)


@settings(max_examples=150)
@given(rule=rules, phases=phases, noise=noise, step_s=st.sampled_from([1, 7, 30, 60]))
def test_any_history_is_judged_as_the_oracle_does(
    rule: Rule,
    phases: Sequence[tuple[str, set[str], int, str]],
    noise: Sequence[tuple[Outcome, int]],
    step_s: int,
) -> None:
    watched = replace(MONITOR, rule=rule)
    oracle = Oracle(rule)
    judge = Judge(sweeps=1)
    judge.configure([watched])
    odd = iter(noise)
    heard: list[tuple[int, int | None, int]] = []
    now_us = BEGIN_US
    for kind, places, rounds, meanwhile in phases:
        watched = replace(watched, is_in_maintenance=meanwhile == "maintenance")
        oracle.is_in_maintenance = watched.is_in_maintenance
        oracle.unheard = frozenset(places) if meanwhile == "unheard" else frozenset()
        if kind == "restart":
            judge = resumed(watched, oracle, judge)
        if kind == "pause":
            now_us += S
            judge.configure([])
            for step in judge.judge(now_us).steps:
                assert step.kind == "closed"
                heard[-1] = (heard[-1][0], now_us, heard[-1][2])
            oracle.pause(now_us)
            assert heard == oracle.incidents()
        judge.silent = oracle.unheard
        judge.configure([watched])
        # Slower than usual is known until it is compared anew, also while nothing comes in.
        if kind != "silence":
            oracle.slower = frozenset(places) if kind == "slower" else frozenset()
        judge.compare({1: oracle.slower} if oracle.slower else {})
        for _ in range(rounds):
            now_us += step_s * S
            votes: list[tuple[str, int, Outcome]] = []
            for place in "abcd":
                outcome: Outcome = "up"
                if kind in ("down", "degraded") and place in places:
                    outcome = "down" if kind == "down" else "degraded"
                if kind != "silence":
                    votes.append((place, now_us, outcome))
            # One of chance, from any time: late, out of order, contradicting.
            if chance := next(odd, None):
                votes.append((min(places), now_us + chance[1] * S, chance[0]))
            for place, slot_us, outcome in votes:
                oracle.hear(place, slot_us, outcome, now_us)
                judge.hear(Vote(1, place, slot_us, outcome), received_at_us=now_us)
            decided = judge.judge(now_us)
            oracle.judge(now_us)
            assert judge.verdicts[1].state == oracle.states[-1][1]
            for step in decided.steps:
                if step.kind == "opened":
                    heard.append((now_us, None, 0))
                elif step.kind in ("closed", "reopened"):
                    seen = step.case.incident
                    heard[-1] = (heard[-1][0], seen.closed_at_us, seen.reopened)
            assert heard == oracle.incidents()


def resumed(watched: Watched, oracle: Oracle, before: Judge) -> Judge:
    """Another judge, made from what a database would hold: results, verdict, incident."""
    standings: dict[str, Standing] = {}
    for name, votes in oracle.votes.items():
        stands = None
        for slot_us, outcome in votes[-10:]:
            stands = take(stands, slot_us, outcome)
        if stands is not None:
            standings[name] = stands
    cases = {1: Case(before.cases[1].incident, 7)} if 1 in before.cases else {}
    judge = Judge(sweeps=1)
    judge.configure([watched])
    judge.resume({1: standings}, before.verdicts, cases, ())
    return judge


SLOWER = replace(MONITOR, rule=Rule(slower_for_us=900 * S))


def test_what_is_slower_than_usual_is_an_incident_until_it_is_no_more() -> None:
    court = Court(SLOWER)
    court.hears(1000, "abcd", "up")
    court.judge.compare({1: {"a"}})
    assert not court.decides(1001).steps
    court.judge.compare({1: {"a", "c"}})
    court.decides(1002)
    assert court.judge.verdicts[1].slower == ("a", "c")
    incident = court.judge.cases[1].incident
    assert (incident.severity, incident.locations) == ("degraded", frozenset("ac"))
    assert incident.began_at_us == at(1002 - 900)
    court.hears(1060, "abcd", "up")
    court.judge.compare({1: {"a", "b", "c"}})
    court.decides(1061)
    court.judge.compare({})
    court.decides(1062)
    court.hears(1120, "abcd", "up")
    court.hears(1180, "abcd", "up")
    court.decides(1183)
    assert court.kinds == [
        (1, "opened"),
        (1, "updated"),
        (1, "recovered"),
        (1, "closed"),
    ]


def test_an_outage_of_what_is_slower_than_usual_is_confirmed_all_the_same() -> None:
    court = Court(SLOWER)
    court.hears(0, "abcd", "up")
    court.judge.compare({1: {"a", "c"}})
    court.decides(1)
    court.hears(60, "a", "down")
    assert court.decides(60.1).asks == [Ask(1, ("a", "b", "c", "d"))]
    fails(court, 61, "abcd")
    court.decides(64)
    assert court.kinds == [(1, "opened"), (1, "worsened")]


def test_who_has_no_such_rule_is_not_told_of_slowness() -> None:
    court = Court(MONITOR)
    court.hears(0, "abcd", "up")
    court.judge.compare({1: {"a", "b", "c", "d"}})
    assert not court.decides(1).steps
