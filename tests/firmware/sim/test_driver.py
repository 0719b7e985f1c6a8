"""The drivers: the same seed is the same life; a power loss leaves the car where it stands."""

from firmware.cp_pwm.specification.instants import NEVER
from firmware.sim import Ratings, VirtualHardware
from firmware.sim.driver import Driver, car_from, car_state
from firmware.sim.visits import CARDS, UNKNOWN_CARD, Visit, demo_card, demo_visit, quick_visit


class Life:
    """A driver at hardware that charges whoever holds a card out, unless told otherwise."""

    def __init__(self, seed: str = "7/c1", obeys: bool = True) -> None:
        self.now_ms = 1_000
        self.hardware = VirtualHardware(Ratings(), self.now_ms)
        self.obeys = obeys
        self.happened: list[tuple[str, int, float]] = []
        self.cards: list[str] = []
        self.driver = self.make(seed)

    def make(self, seed: str) -> Driver:
        return Driver(self.hardware, lambda number: quick_visit(seed, number, 0), self._happened, self.now_ms)

    def _happened(self, event: str, number: int, visit: Visit) -> None:
        self.happened.append((event, number, round(visit.car.energy_wh, 6)))

    def run(self, ms: int) -> "Life":
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            self.now_ms = min(end_ms, self.driver.next_ms(), self.now_ms + 500)
            self.hardware.advance(self.now_ms)
            self.hardware.pilot.heartbeat()
            self.driver.run(self.now_ms)
            card = self.hardware.reader.poll()
            if card is not None:
                self.cards.append(card)
                if self.obeys and card != UNKNOWN_CARD:
                    self.hardware.pilot.offer(32)
                    self.hardware.pilot.permit(True)
                    self.hardware.indicate("authorized")
        return self


def test_the_same_seed_is_the_same_life() -> None:
    first, second = Life().run(300_000), Life().run(300_000)
    assert first.happened == second.happened and first.cards == second.cards
    assert len(first.happened) > 20
    assert Life("8/c1").run(300_000).happened != first.happened


def test_every_car_leaves_with_what_the_meter_counted() -> None:
    life = Life().run(300_000)
    taken = sum(energy_wh for event, _, energy_wh in life.happened if event == "unplugged")
    standing = life.hardware.car.energy_wh if life.hardware.car is not None else 0.0
    assert taken > 100
    assert abs(taken + standing - life.hardware.meter.true_wh) < 1e-3
    numbers = [number for event, number, _ in life.happened if event == "plugged"]
    assert numbers == list(range(len(numbers)))


def test_a_deaf_charger_gets_the_card_again_and_then_they_leave() -> None:
    life = Life(obeys=False)
    visit = quick_visit("7/c1", 0, 0)
    life.run(visit.gap_ms + visit.stay_ms + 10_000)
    assert life.cards.count(visit.card) >= 1 and ("unplugged", 0, 0.0) in life.happened


def test_goes_on_after_a_power_loss() -> None:
    life = Life()
    while life.hardware.car is None or not life.hardware.car.energy_wh:
        life.run(200)
    kept = life.driver.state(life.now_ms)
    after = Life()
    after.driver.restore(kept, after.now_ms)
    assert after.hardware.car is not None
    assert after.hardware.car.energy_wh == life.hardware.car.energy_wh
    after.run(60_000)
    assert after.happened[0][:2] == ("unplugged", kept["number"])


def test_car_survives_as_json() -> None:
    for number in range(40):
        car = demo_visit("1/c9", number, 8).car
        assert car_from(car_state(car)) == car


def test_first_cars_of_a_demonstration_charge_soon_and_long() -> None:
    visits = [demo_visit(f"1/c{index + 1}", 0, index) for index in range(6)]
    for visit in visits:
        assert visit.gap_ms + visit.tap_after_ms + visit.car.wake_up_ms <= 6_000
        assert not visit.car.never_charges and visit.card != UNKNOWN_CARD
        power_w = 230 * visit.car.phases * visit.car.max_current_a
        assert visit.car.wanted_wh / power_w * 60 > 15
    assert len({visit.card for visit in visits}) == 6


def test_cards_are_uids() -> None:
    cards = {demo_card(number) for number in range(CARDS)}
    assert len(cards) == CARDS and UNKNOWN_CARD not in cards
    assert all(len(bytes.fromhex(card)) == 7 and card == card.upper() for card in cards)


def test_nobody_needs_time() -> None:
    assert Life().driver.next_ms() < NEVER
