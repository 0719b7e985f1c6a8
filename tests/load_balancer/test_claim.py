"""One balancer at a time: claims over a broker that keeps the order, on links that are slow, cut, or forget."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from agents.load_balancer.claim import GRACE_S, PERIOD_S, RIGHT_S, TAKEOVER_S, Claims, Knowledge, Standing

Claim = tuple[str, int, int]


def test_alone_it_acts_after_the_grace() -> None:
    claims = Claims("a", 1)
    assert claims.due(0) == 1
    assert not claims.may_act(0)
    claims.heard("a", 1, 1, 0.1)
    for number in range(1, 5):
        seq = claims.due(number * PERIOD_S)
        assert seq is not None
        assert claims.may_act(number * PERIOD_S) == (number * PERIOD_S >= 0.1 + GRACE_S)
        claims.heard("a", 1, seq, number * PERIOD_S + 0.1)
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
            claims.heard(instance, epoch, seq, at_s)
        claims.may_act(at_s)
    assert claims.may_act(100)
    return claims


def test_who_hears_another_before_its_own_echo_stands_by() -> None:
    claims = Claims("b", 1)
    claims.due(0)
    claims.heard("a", 1, 77, 0.1)
    claims.heard("b", 1, 1, 0.2)
    assert claims.standing is Standing.STANDING_BY
    assert "another load balancer (a)" in (claims.in_words() or "")
    assert claims.due(TAKEOVER_S) is None
    assert claims.due(0.1 + TAKEOVER_S) == 2
    claims.heard("b", 1, 2, 15)
    assert claims.knowledge is Knowledge.NONE


def test_who_acts_goes_on_when_another_comes() -> None:
    claims = acting("a", 1)
    claims.heard("b", 1, 1, 101)
    assert claims.may_act(101)


def test_a_newer_process_on_the_same_database_replaces_the_older_for_good() -> None:
    claims = acting("a", 1)
    claims.heard("a", 2, 1, 101)
    assert not claims.may_act(101)
    assert claims.due(200) is None
    assert "same database" in (claims.in_words() or "")


def test_it_trusts_its_database_only_if_the_broker_shows_that_nobody_else_was_there() -> None:
    for before, knowledge in ((("a", 1, 5), Knowledge.OWN), (("b", 9, 5), Knowledge.NONE), (None, Knowledge.NONE)):
        claims = Claims("a", 2)
        claims.due(0)
        if before is not None:
            claims.heard(*before, 0.05)
        claims.heard("a", 2, 1, 0.1)
        assert claims.knowledge is knowledge


# --- several of them, over a broker


@dataclass
class Node:
    claims: Claims
    up: bool = True
    cut: bool = False
    up_last_s: float = 0.0
    down_last_s: float = 0.0
    life: int = 0
    stalled: list[Callable[[], None]] = field(default_factory=list)


class Net:
    """A broker that keeps the order of claims and one retained claim, and its clients' links, which keep order too."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now_s = 0.0
        self.retained: Claim | None = None
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self.count = 0
        self.slow_s = self.random.choice([0.05, 1.0, 3.0])
        names = self.random.choice([("a", "b"), ("a", "b", "c"), ("a", "a")])
        self.nodes = [Node(Claims(name, number + 1)) for number, name in enumerate(names)]
        self.acted = 0
        for node in self.nodes:
            self.at(self.random.uniform(0, 10), lambda n=node: self.connect(n))

    def at(self, when_s: float, call: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self.queue, (when_s, self.count, call))

    def connect(self, node: Node) -> None:
        node.life += 1
        node.cut = False
        if self.retained is not None:
            self.down(node, self.retained)
        self.tick(node, node.life)

    def tick(self, node: Node, life: int) -> None:
        if life != node.life:
            return
        seq = node.claims.due(self.now_s)
        if seq is not None:
            claim = (node.claims.instance, node.claims.epoch, seq)
            node.up_last_s = max(node.up_last_s, self.now_s + self.random.uniform(0, self.slow_s))
            self.at(node.up_last_s, lambda: None if node.cut or life != node.life else self.take(claim))
        self.at(self.now_s + 1.0, lambda: self.tick(node, life))

    def take(self, claim: Claim) -> None:
        self.retained = claim
        for node in self.nodes:
            if node.life and not node.cut:
                self.down(node, claim)

    def down(self, node: Node, claim: Claim) -> None:
        life = node.life
        node.down_last_s = max(node.down_last_s, self.now_s + self.random.uniform(0, self.slow_s))
        self.at(
            node.down_last_s,
            lambda: node.claims.heard(*claim, self.now_s) if life == node.life and not node.cut else None,
        )

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

    def trouble(self, node: Node, kind: str) -> None:
        if kind == "cut":
            # What is on its way is lost; both ends notice later. Meanwhile nothing is heard.
            node.cut = True
            self.at(self.now_s + self.random.choice([0.5, 3, 8, 15, 40]), lambda: self.connect(node))
        elif kind == "restart" and node.claims.standing is not Standing.REPLACED:
            epoch = 1 + max(each.claims.epoch for each in self.nodes)
            node.claims = Claims(node.claims.instance, epoch)
            self.connect(node)
        elif kind == "forget" and self.random.random() < 0.5:
            # The broker is killed without persistence: everybody is cut off, and it has forgotten.
            self.retained = None
            for each in self.nodes:
                each.cut = True
                self.at(self.now_s + self.random.uniform(0.2, 9), lambda n=each: self.connect(n))


@pytest.mark.parametrize("block", range(4))
def test_never_two_at_a_time(block: int) -> None:
    acted = 0
    for seed in range(block * 60, block * 60 + 60):
        net = Net(seed)
        try:
            net.run(240)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from None
        acted += net.acted
    assert acted > 1000
