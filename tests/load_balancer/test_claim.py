"""One balancer at a time: claims over a broker that keeps the order, on links that are slow, cut, or forget."""

import heapq
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest.mock import patch

import pytest

from agents.load_balancer.granting import claim
from agents.load_balancer.granting.claim import (
    ALONE_S,
    GRACE_S,
    LAST,
    PERIOD_S,
    RIGHT_S,
    TAKEOVER_S,
    Claims,
    Knowledge,
    Standing,
)

Claim = tuple[str, int, int, bool, float]
"""Instance, epoch, number, whether complete, and when it was sent."""

LIFE_S = 50.0
"""How long what is granted may be in force, in these tests."""


def heard(
    claims: Claims, instance: str, epoch: int, seq: int, now_s: float, complete: bool = False, age_s: float = 0.0
) -> None:
    """Let a claim come that was sent just now."""
    claims.heard(instance, epoch, seq, now_s, complete=complete, age_s=age_s)


def test_alone_it_acts_after_the_grace() -> None:
    claims = Claims("a", 1)
    assert claims.due(0) == 1
    assert not claims.may_act(0)
    heard(claims, "a", 1, 1, 0.1)
    for number in range(1, 5):
        seq = claims.due(number * PERIOD_S)
        assert seq is not None
        assert claims.may_act(number * PERIOD_S) == (number * PERIOD_S >= 0.1 + GRACE_S)
        heard(claims, "a", 1, seq, number * PERIOD_S + 0.1)
    assert claims.standing is Standing.ACTING


def test_without_echoes_the_right_ends_by_itself() -> None:
    claims = acting("a", 1)
    assert claims.may_act(100.0 + RIGHT_S - 0.1)
    assert not claims.may_act(100.0 + RIGHT_S)


def acting(instance: str, epoch: int) -> Claims:
    """Return one that acts, its last claim sent at 100 s."""
    claims = Claims(instance, epoch)
    for at_s in range(0, 102, 2):
        seq = claims.due(at_s)
        if seq is not None:
            heard(claims, instance, epoch, seq, at_s)
        claims.may_act(at_s)
    assert claims.may_act(100)
    return claims


def test_who_hears_another_before_its_own_echo_stands_by() -> None:
    claims = Claims("b", 1)
    claims.due(0)
    heard(claims, "a", 1, 77, 0.1, complete=True)
    heard(claims, "b", 1, 1, 0.2)
    assert claims.standing is Standing.STANDING_BY
    assert "another load balancer (a)" in (claims.in_words() or "")
    assert claims.due(TAKEOVER_S) is None
    assert claims.due(0.1 + TAKEOVER_S) == 2
    heard(claims, "b", 1, 2, 15)
    assert claims.knowledge is Knowledge.NONE


def test_who_acts_goes_on_when_another_comes() -> None:
    claims = acting("a", 1)
    heard(claims, "b", 1, 1, 101, complete=True)
    assert claims.may_act(101)


def test_a_newer_process_on_the_same_database_replaces_the_older_for_good() -> None:
    claims = acting("a", 1)
    heard(claims, "a", 2, 1, 101, complete=True)
    assert not claims.may_act(101)
    assert claims.due(200) is None
    assert "same database" in (claims.in_words() or "")


def test_it_trusts_its_database_only_if_the_last_claim_on_the_bus_says_that_it_holds_everything() -> None:
    for before, age_s, knowledge in (
        (("a", 1, 5, 0.05, True), 0.1, Knowledge.OWN),
        (("a", 1, 5, 0.05, True), ALONE_S - 1, Knowledge.OWN),
        (("a", 1, 5, 0.05, True), ALONE_S, Knowledge.NONE),
        (("a", 1, 5, 0.05, False), 0.1, Knowledge.NONE),
        (("b", 9, 5, 0.05, True), 0.1, Knowledge.NONE),
        (None, 0.0, Knowledge.NONE),
    ):
        claims = Claims("a", 2)
        claims.due(0)
        if before is not None:
            heard(claims, *before, age_s)
        heard(claims, "a", 2, 1, 0.1)
        assert claims.knowledge is knowledge
        assert claims.knows_all(0.2) is (knowledge is Knowledge.OWN)


def test_after_a_silence_in_which_another_may_have_come_and_gone_it_knows_nothing() -> None:
    for silent_s, knowledge in ((TAKEOVER_S - 1, Knowledge.OWN), (TAKEOVER_S + 1, Knowledge.NONE)):
        claims = acting("a", 1)
        claims.knowledge = Knowledge.OWN
        assert claims.knows_all(100)
        # While its right is in doubt it says nothing of the kind: somebody else may be about to take over.
        assert not claims.knows_all(100 + RIGHT_S)
        for at_s in (100 + RIGHT_S, 100 + RIGHT_S + PERIOD_S):
            assert claims.due(at_s) is not None
        heard(claims, "a", 1, claims.due(100 + silent_s) or 0, 100 + silent_s)
        assert claims.knowledge is knowledge


def test_a_life_that_has_won_does_not_take_an_earlier_ones_word() -> None:
    claims = acting("a", 2)
    heard(claims, "a", 1, 70, 103, complete=True)
    heard(claims, "a", 2, claims.due(130) or 0, 130)
    assert claims.knowledge is Knowledge.NONE


def test_the_times_fit_each_other() -> None:
    """What a right that has ended somewhere may still do is over before anybody else acts."""
    assert 2 * PERIOD_S < RIGHT_S < GRACE_S
    assert RIGHT_S * 2 <= TAKEOVER_S and ALONE_S == TAKEOVER_S + GRACE_S
    assert LAST * PERIOD_S > TAKEOVER_S


def test_claims_keep_their_distance() -> None:
    claims = Claims("a", 1)
    assert claims.due(10) == 1
    assert claims.due(10 + PERIOD_S - 0.1) is None
    assert claims.due(10 + PERIOD_S) == 2


def test_echoes_that_are_slower_than_the_claims_count_from_the_sending_of_their_own() -> None:
    claims = Claims("a", 1)
    for number in range(4):
        assert claims.due(number * PERIOD_S) == number + 1
    heard(claims, "a", 1, 9, 6.5)
    assert claims.standing is Standing.CLAIMING
    heard(claims, "a", 1, 2, 7)
    assert claims.standing is Standing.WAITING
    acts_s = 7 + GRACE_S
    assert not claims.may_act(acts_s)  # The right of the claim that was sent at 2 s is over by then.
    heard(claims, "a", 1, 1, 8)
    heard(claims, "a", 1, 4, 8)
    assert not claims.won or claims.standing is Standing.ACTING
    assert not claims.may_act(6 + RIGHT_S) and acts_s > 6 + RIGHT_S


def test_the_first_moment_of_acting() -> None:
    claims = Claims("a", 1)
    claims.due(0)
    heard(claims, "a", 1, 1, 1)
    for at_s in (2, 4, 6, 8):
        heard(claims, "a", 1, claims.due(at_s) or 0, at_s)
    assert not claims.may_act(1 + GRACE_S - 0.1) and claims.standing is Standing.WAITING
    assert claims.may_act(1 + GRACE_S)


def test_only_the_last_claims_come_back_as_echoes() -> None:
    for echo, wins in ((1, False), (2, True), (LAST + 1, True)):
        claims = Claims("a", 1)
        for number in range(LAST + 1):
            claims.due(number * PERIOD_S)
        heard(claims, "a", 1, echo, 100)
        assert claims.won is wins


def test_who_stands_by_claims_again_after_the_silence_of_the_other_and_knows_nothing() -> None:
    claims = Claims("b", 2)
    claims.due(0)
    heard(claims, "b", 1, 9, 0.1, complete=True)
    heard(claims, "a", 1, 77, 0.2)
    heard(claims, "b", 2, 1, 0.3)
    assert claims.standing is Standing.STANDING_BY and claims.other == "a"
    at_s = 0.2 + TAKEOVER_S
    assert claims.due(at_s) == 2
    assert claims.standing is Standing.CLAIMING
    heard(claims, "b", 2, 1, at_s + 0.1)  # An echo of before it stood by proves nothing.
    assert claims.standing is Standing.CLAIMING
    heard(claims, "b", 2, 2, at_s + 0.2)
    assert claims.standing is Standing.WAITING and claims.knowledge is Knowledge.NONE and claims.other is None


def test_who_waits_or_has_lost_its_right_gives_way_to_another() -> None:
    claims = acting("a", 1)
    claims.knowledge = Knowledge.OWN
    heard(claims, "b", 1, 1, 100 + RIGHT_S - 0.1)
    assert claims.standing is Standing.ACTING and claims.knowledge is Knowledge.OWN
    heard(claims, "b", 1, 2, 100 + RIGHT_S)
    assert claims.standing is Standing.STANDING_BY and claims.knowledge is Knowledge.NONE
    assert not claims.knows_all(100 + RIGHT_S)
    heard(claims, "a", 2, 1, 120)
    heard(claims, "b", 1, 3, 121)
    assert claims.standing is Standing.REPLACED


def test_who_hears_another_while_it_waits_stands_by_though_it_has_the_right() -> None:
    claims = Claims("a", 1)
    claims.due(0)
    heard(claims, "a", 1, 1, 0.1)
    assert claims.standing is Standing.WAITING
    heard(claims, "b", 1, 1, 0.2)
    assert claims.standing is Standing.STANDING_BY
    claims.knowledge = Knowledge.OWN
    assert not claims.knows_all(0.3)


def test_another_with_the_same_number_is_another() -> None:
    claims = Claims("a", 1)
    claims.due(0)
    heard(claims, "b", 1, 1, 0.1)
    assert not claims.won
    heard(claims, "b", 9, 1, 0.2)
    assert claims.standing is Standing.STANDING_BY  # Not replaced: that is another database's number.


@pytest.mark.parametrize("age_s", [ALONE_S, -ALONE_S])
def test_a_claim_that_is_old_or_comes_from_the_future_proves_nothing(age_s: float) -> None:
    claims = Claims("a", 2)
    claims.due(0)
    heard(claims, "a", 1, 5, 0.1, complete=True, age_s=age_s)
    heard(claims, "a", 2, 1, 0.2)
    assert claims.knowledge is Knowledge.NONE


def test_another_between_an_earlier_lifes_claim_and_the_echo_may_have_granted_something() -> None:
    claims = Claims("a", 2)
    heard(claims, "b", 1, 5, 0.1)
    at_s = 0.1 + TAKEOVER_S
    claims.standing = Standing.STANDING_BY
    claims.due(at_s)
    heard(claims, "a", 1, 6, at_s, complete=True)
    heard(claims, "a", 2, 1, at_s + 0.1)
    assert claims.won and claims.knowledge is Knowledge.NONE


def test_what_an_earlier_life_left_counts_once() -> None:
    claims = Claims("a", 2)
    claims.due(0)
    heard(claims, "a", 1, 5, 0.1, complete=True)
    heard(claims, "a", 2, 1, 0.2)
    assert claims.knowledge is Knowledge.OWN
    claims.due(100)
    heard(claims, "a", 2, 2, 100.1)
    assert claims.knowledge is Knowledge.NONE


# --- several of them, over a broker


@dataclass
class Node:
    claims: Claims
    up: bool = True
    cut: bool = False
    up_last_s: float = 0.0
    down_last_s: float = 0.0
    life: int = 0
    acting: bool = False
    counted_s: float = -1e18
    """When this process last counted what others may have granted."""
    held: bool = True
    """Whether its database holds what it counts."""
    stalled: list[Callable[[], None]] = field(default_factory=list)


class Net:
    """A broker that keeps the order of claims and one retained claim, and its clients' links, which keep order too."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now_s = 0.0
        self.retained: Claim | None = None
        self.written: Claim | None = None
        """What the broker has on disk."""
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self.count = 0
        self.slow_s = self.random.choice([0.05, 1.0, 3.0])
        self.writes = self.random.random() < 0.5
        names = self.random.choice([("a", "b"), ("a", "b", "c"), ("a", "a")])
        self.nodes = [Node(Claims(name, number + 1)) for number, name in enumerate(names)]
        self.acted = 0
        self.own = 0
        self.granted_s: dict[str, float] = {}
        """When each database's balancer last had the right to grant something."""
        self.held_s: dict[str, float] = {}
        """When each database was last made to hold everything."""
        for node in self.nodes:
            self.at(self.random.uniform(0, 10), lambda n=node: self.connect(n))

    def at(self, when_s: float, call: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self.queue, (when_s, self.count, call))

    def begin(self, node: Node) -> None:
        """Start another process on the database."""
        epoch = 1 + max(each.claims.epoch for each in self.nodes)
        node.claims = Claims(node.claims.instance, epoch)
        node.acting, node.counted_s, node.held = False, -1e18, True
        self.connect(node)

    def connect(self, node: Node) -> None:
        node.life += 1
        node.cut = False
        if self.retained is not None:
            self.down(node, self.retained)
        self.tick(node, node.life)

    def tick(self, node: Node, life: int) -> None:
        if life != node.life:
            return
        if node.acting and not node.held and self.random.random() < 0.5:
            node.held = True
            self.held_s[node.claims.instance] = node.counted_s
        seq = node.claims.due(self.now_s)
        if seq is not None:
            claim = (
                node.claims.instance,
                node.claims.epoch,
                seq,
                node.claims.knows_all(self.now_s) and node.held,
                self.now_s,
            )
            node.up_last_s = max(node.up_last_s, self.now_s + self.random.uniform(0, self.slow_s))
            self.at(node.up_last_s, lambda: None if node.cut or life != node.life else self.take(claim))
        self.at(self.now_s + 1.0, lambda: self.tick(node, life))

    def take(self, claim: Claim) -> None:
        self.retained = claim
        if self.writes and self.random.random() < 0.1:
            self.written = claim
        for node in self.nodes:
            if node.life and not node.cut:
                self.down(node, claim)

    def down(self, node: Node, claim: Claim) -> None:
        life = node.life
        node.down_last_s = max(node.down_last_s, self.now_s + self.random.uniform(0, self.slow_s))
        self.at(
            node.down_last_s,
            lambda: self.hears(node, claim) if life == node.life and not node.cut else None,
        )

    def hears(self, node: Node, claim: Claim) -> None:
        *claimed, complete, sent_s = claim
        heard(node.claims, *claimed, self.now_s, complete, self.now_s - sent_s)

    def run(self, until_s: float) -> None:
        random = self.random
        for node in self.nodes:
            at_s = random.uniform(5, 60)
            while at_s < until_s:
                kind = random.choice(["cut", "cut", "restart", "forget"])
                self.at(at_s, lambda n=node, k=kind: self.trouble(n, k))
                at_s += random.expovariate(1 / 40)
        while self.queue and self.queue[0][0] <= until_s:
            self.now_s, _, call = heapq.heappop(self.queue)
            call()
            acting = [node for node in self.nodes if node.claims.may_act(self.now_s)]
            self.acted += bool(acting)
            assert len(acting) <= 1, (self.now_s, [(n.claims.instance, n.claims.epoch) for n in acting])
            for node in self.nodes:
                if node in acting and not node.acting:
                    self.begin_to_act(node)
                node.acting = node in acting
            for node in acting:
                self.granted_s[node.claims.instance] = self.now_s

    def begin_to_act(self, node: Node) -> None:
        """Count what may be outstanding, as the agent does; what others granted may not be forgotten."""
        if node.claims.knowledge is Knowledge.NONE:
            node.counted_s, node.held = self.now_s, False
            node.claims.knowledge = Knowledge.OWN
            return
        self.own += 1
        known_s = max(node.counted_s, self.held_s.get(node.claims.instance, -1e18))
        for instance, granted_s in self.granted_s.items():
            in_force = self.now_s < granted_s + LIFE_S
            if instance != node.claims.instance and in_force and known_s < granted_s:
                words = f"{node.claims.instance} {node.claims.epoch} does not know what {instance} granted"
                raise AssertionError(f"{self.now_s:.1f} s: {words} at {granted_s:.1f} s")

    def trouble(self, node: Node, kind: str) -> None:
        if kind == "cut":
            # What is on its way is lost; both ends notice later. Meanwhile nothing is heard.
            node.cut = True
            self.at(self.now_s + self.random.choice([0.5, 3, 8, 15, 40]), lambda: self.connect(node))
        elif kind == "restart" and node.claims.standing is not Standing.REPLACED:
            node.cut = True
            self.at(self.now_s + self.random.choice([0.3, 0.3, 8, 25, 45]), lambda: self.begin(node))
        elif kind == "forget" and self.random.random() < 0.5:
            # The broker is killed: everybody is cut off, and it has forgotten all, or what came since it last wrote.
            self.retained = self.written
            for each in self.nodes:
                each.cut = True
                self.at(self.now_s + self.random.uniform(0.2, 9), lambda n=each: self.connect(n))


@pytest.mark.parametrize("block", range(4))
def test_never_two_at_a_time_and_none_that_does_not_know_what_is_outstanding(block: int) -> None:
    acted = own = 0
    for seed in range(block * 60, block * 60 + 60):
        net = Net(seed)
        try:
            net.run(240)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from None
        acted += net.acted
        own += net.own
    assert acted > 1000
    assert own > 10


def trusting(self: Claims, *claim: Any, complete: bool, age_s: float) -> None:
    HEARD(self, *claim, complete=True, age_s=age_s)


HEARD = Claims.heard
BROKEN: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "a later life trusts its database whatever the last claim says": lambda: patch.object(Claims, "heard", trusting),
    "a claim is complete before the database is": lambda: patch.object(Claims, "knows_all", lambda *_: True),
    "a silence is forgotten": lambda: patch.object(Claims, "_know_nothing", lambda self: None),
    "a winner acts at once": lambda: patch.object(claim, "GRACE_S", 0.0),
}


@pytest.mark.parametrize("clause", BROKEN)
def test_without_one_of_its_clauses_it_is_caught(clause: str) -> None:
    with BROKEN[clause](), pytest.raises(AssertionError):
        for seed in range(400):
            Net(seed).run(240)
