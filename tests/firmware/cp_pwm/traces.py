"""Random and hostile traces of inputs, and the two ways to drive the specification through one."""

from dataclasses import dataclass, replace
from random import Random

from hypothesis import strategies as st

from firmware.cp_pwm.specification import NO_PLUG_OHM, Board, Inputs, Outputs, PilotInterlock
from firmware.cp_pwm.specification.signals import UNKNOWN_MC

HIGH_MV = (12_000, 9_000, 6_000, 3_000, 0, -12_000, 10_500, 7_500, 4_500, 1_500, -6_000, 30_000)
EDGES_MV = tuple(
    nominal + sign * distance + offset
    for nominal in (12_000, 9_000, 6_000, 3_000, 0, -12_000)
    for sign in (-1, 1)
    for distance in (1_100, 1_300)
    for offset in (-1, 0, 1)
)
LOW_MV = (-12_000, -12_000, -12_000, -9_999, -10_000, -10_001, 0, 9_000, -6_000)
PROXIMITY_OHM = (220, 220, 100, 680, 1_500, NO_PLUG_OHM, 0, 74, 75, 149, 150, 329, 330, 999, 1_000, 2_200, 2_201)
OFFER_MA = (16_000, 32_000, 5_999, 6_000, 0, 51_500, 51_000, 52_749, 52_750, 80_000, 99_000, 13_000)
TEMPERATURE_MC = (
    *(edge + offset for edge in (62_000, 65_000, 68_000, 71_000, -40_000, 125_000) for offset in (-1, 0, 1)),
    *(UNKNOWN_MC, 2**31 - 1, 0, 25_000, 63_500),
)
STEPS_MS = (1, 1, 2, 5, 10, 24, 25, 26, 49, 50, 51, 99, 100, 101, 249, 250, 251, 499, 500, 501, 1_000, 1_250, 1_500)
MIDDLE_STEPS_MS = (1_999, 2_000, 2_001, 4_999, 5_000, 5_001, 6_000)
LONG_STEPS_MS = (29_999, 30_000, 30_001)

Change = tuple[str, object]


@dataclass(frozen=True)
class Step:
    """Changes of inputs, and the time until the next step."""

    changes: tuple[Change, ...]
    wait_ms: int


GOOD = (
    ("high_mv", 6_000),
    ("low_mv", -12_000),
    ("proximity_ohm", 220),
    ("residual_trip", False),
    ("mirror_closed", False),
    ("offer_ma", 16_000),
    ("permit", True),
    ("available", True),
    ("heartbeat", True),
    ("disconnect", False),
    ("temperature_mc", 25_000),
    ("temperature", True),
    ("emergency_stop", False),
    ("ground_lost", False),
)

CHANGE = st.one_of(
    st.tuples(st.just("high_mv"), st.sampled_from(HIGH_MV + EDGES_MV)),
    st.tuples(st.just("high_mv"), st.sampled_from((6_000, 6_000, 9_000, 12_000))),
    st.tuples(st.just("low_mv"), st.sampled_from(LOW_MV)),
    st.tuples(st.just("proximity_ohm"), st.sampled_from(PROXIMITY_OHM)),
    st.tuples(st.just("residual_trip"), st.booleans()),
    st.tuples(st.just("mirror_closed"), st.booleans()),
    st.tuples(st.just("mirror_follows"), st.just(True)),
    st.tuples(st.just("offer_ma"), st.sampled_from(OFFER_MA)),
    st.tuples(st.just("permit"), st.booleans()),
    st.tuples(st.just("available"), st.booleans()),
    st.tuples(st.just("disconnect"), st.booleans()),
    st.tuples(st.just("temperature_mc"), st.sampled_from(TEMPERATURE_MC)),
    st.tuples(st.just("temperature"), st.just(True)),
    st.tuples(st.just("emergency_stop"), st.booleans()),
    st.tuples(st.just("ground_lost"), st.booleans()),
    st.tuples(st.just("clear"), st.just(True)),
    st.tuples(st.just("heartbeat"), st.just(True)),
    st.tuples(st.just("good"), st.just(True)),
)
ALIVE = (("mirror_follows", True), ("trip_follows", True), ("heartbeat", True), ("temperature", True))
"""What a working charger does all the time, so that most faults are met with the contactor closed."""
STEP = st.builds(
    Step,
    st.tuples(st.sampled_from((ALIVE, ALIVE, ALIVE, ())), st.lists(CHANGE, max_size=2).map(tuple)).map(
        lambda parts: parts[0] + parts[1]
    ),
    st.sampled_from(3 * STEPS_MS + 2 * MIDDLE_STEPS_MS + LONG_STEPS_MS),
)
BOARDS = st.builds(
    Board,
    rated_ma=st.sampled_from((32_000, 16_000, 80_000)),
    tethered=st.booleans(),
    has_mirror=st.booleans(),
    has_residual_test=st.booleans(),
    simplified_cap_ma=st.sampled_from((0, 10_000)),
    has_temperature=st.booleans(),
    has_disconnect=st.booleans(),
    has_emergency_stop=st.booleans(),
    has_ground_monitor=st.booleans(),
)
TESTED = (Step((), 2), Step((("trip_follows", True),), 2), Step((("trip_follows", True),), 2))
"""The residual-current device passes its test at boot."""
CLOSING = (
    *TESTED,
    Step((("high_mv", 9_000), ("low_mv", -12_000), ("proximity_ohm", 220), ("good", True), ("high_mv", 9_000)), 700),
    Step((("good", True),), 600),
    Step((("mirror_follows", True), ("heartbeat", True)), 1_400),
)
"""A car arrives and the contactor closes: what most traces begin with."""

BEATS = tuple(Step((("heartbeat", True), ("temperature", True), ("mirror_follows", True)), 1_000) for _ in range(62))
"""An app that goes on for a minute."""
AWAY = (Step((("high_mv", 9_000), ("disconnect", True), ("heartbeat", True)), 1), *BEATS)
DIRECTED = {
    "the app ends the charging and the car does not stop": (*CLOSING, Step((("permit", False),), 1), *BEATS[:8]),
    "a disconnect that is never taken back": AWAY,
    "a disconnect and F": (*AWAY[:3], Step((("available", False),), 1), *BEATS[:12], *AWAY),
    "residual current right after closing": (
        *CLOSING,
        Step((("residual_trip", True),), 100),
        Step((("clear", True),), 100),
        Step((("residual_trip", False),), 100),
        Step((("clear", True),), 100),
    ),
    "the plug is pulled": (*CLOSING, Step((("proximity_ohm", NO_PLUG_OHM),), 300)),
    "an offer that no duty can say": (*CLOSING, Step((("offer_ma", 51_500),), 300), *BEATS[:8]),
    "the diode is missed, found and the fault cleared": (
        *CLOSING,
        Step((("low_mv", -9_000),), 100),
        Step((("low_mv", -12_000),), 100),
        Step((("clear", True),), 100),
        *BEATS[:8],
    ),
    "more than 51 A": (
        *CLOSING,
        Step((("offer_ma", 63_000),), 300),
        *BEATS[:8],
        Step((("offer_ma", 99_000),), 300),
        *BEATS[:8],
    ),
    "a car comes while the device is tested": (
        *CLOSING,
        Step((("high_mv", 12_000),), 100),
        Step((("high_mv", 9_000),), 300),
    ),
    "the car stops and goes on": (
        *CLOSING,
        Step((("high_mv", 9_000),), 300),
        Step((("high_mv", 6_000),), 1),
        *BEATS[:8],
        Step((("high_mv", 9_000),), 300),
    ),
    "hot, then cool": (
        *CLOSING,
        *(
            Step((("temperature_mc", temperature_mc), ("temperature", True), ("heartbeat", True)), 1_900)
            for temperature_mc in (65_000, 68_000, 66_000, 71_000, 67_000, 62_001, 62_000)
        ),
        *BEATS[:5],
    ),
}
"""What random traces seldom meet or do not live long enough for, by name."""
DIRECTED_BOARDS = (
    Board(rated_ma=80_000, has_residual_test=False),
    Board(rated_ma=80_000, tethered=True, has_disconnect=False),
)

TRACES = st.tuples(st.booleans(), st.lists(STEP, min_size=1, max_size=40)).map(
    lambda drawn: (list(CLOSING) if drawn[0] else []) + drawn[1]
)


def apply(inputs: Inputs, changes: tuple[Change, ...], now_ms: int, outputs: Outputs) -> None:
    """Make the changes of a step."""
    for name, value in changes:
        if name == "heartbeat":
            inputs.heartbeat_ms = now_ms
        elif name == "temperature":
            inputs.temperature_ms = now_ms
        elif name == "clear":
            inputs.clear_count += 1
        elif name == "mirror_follows":
            inputs.mirror_closed = outputs.contactor
        elif name == "trip_follows":
            inputs.residual_trip = outputs.residual_test
        elif name == "good":
            apply(inputs, GOOD, now_ms, outputs)
        else:
            setattr(inputs, name, value)


def next_tick_ms(now_ms: int, due_ms: int) -> int:
    """Return when to tick next: right before something is due, so that being early shows, then when it is."""
    return due_ms - 1 if due_ms - 1 > now_ms else due_ms


Sample = tuple[int, Inputs, Outputs]


def run_every_ms(board: Board, trace: list[Step], start_ms: int = 1_000) -> list[Sample]:
    """Tick at every millisecond; return every tick."""
    spec, inputs, samples, now_ms = PilotInterlock(board, start_ms), Inputs(), [], start_ms
    for step in trace:
        apply(inputs, step.changes, now_ms, spec.outputs)
        frozen = replace(inputs)
        for _ in range(step.wait_ms):
            samples.append((now_ms, frozen, spec.tick(now_ms, inputs)))
            now_ms += 1
    return samples


def run_by_events(board: Board, trace: list[Step], start_ms: int = 1_000) -> list[Sample]:
    """Tick only when inputs change, at deadlines and right before them; return every tick."""
    spec, inputs, samples, now_ms = PilotInterlock(board, start_ms), Inputs(), [], start_ms
    for step in trace:
        apply(inputs, step.changes, now_ms, spec.outputs)
        frozen = replace(inputs)
        end_ms = now_ms + step.wait_ms
        while now_ms < end_ms:
            samples.append((now_ms, frozen, spec.tick(now_ms, inputs)))
            now_ms = next_tick_ms(now_ms, min(end_ms, spec.next_deadline_ms()))
    return samples


def changes_of(samples: list[Sample]) -> list[tuple[int, Outputs]]:
    """Return the instants at which the outputs changed, with what they became."""
    seen: list[tuple[int, Outputs]] = []
    for now_ms, _, outputs in samples:
        if not seen or seen[-1][1] != outputs:
            seen.append((now_ms, outputs))
    return seen


def random_trace(random: Random, steps: int) -> list[Step]:
    """Draw a trace without hypothesis, for long runs."""
    trace = list(CLOSING) if random.random() < 0.7 else []
    for _ in range(steps):
        changes: list[Change] = list(ALIVE) if random.random() < 0.9 else []
        if random.random() < 0.5:
            changes.append(("good", True))
            changes.append(("mirror_follows", True))
            changes.append(("trip_follows", True))
        for _ in range(random.choice((0, 0, 1, 1, 2, 3))):
            kind = random.randrange(19)
            changes.append(
                (
                    ("high_mv", random.choice(HIGH_MV + EDGES_MV)),
                    ("high_mv", random.choice((6_000, 6_000, 9_000, 12_000))),
                    ("high_mv", random.randrange(-13_000, 13_000)),
                    ("low_mv", random.choice(LOW_MV)),
                    ("proximity_ohm", random.choice(PROXIMITY_OHM)),
                    ("residual_trip", random.random() < 0.3),
                    ("mirror_closed", random.random() < 0.5),
                    ("mirror_follows", True),
                    ("offer_ma", random.choice(OFFER_MA)),
                    ("permit", random.random() < 0.8),
                    ("available", random.random() < 0.9),
                    ("clear", True),
                    ("heartbeat", True),
                    ("good", True),
                    ("disconnect", random.random() < 0.5),
                    ("temperature_mc", random.choice(TEMPERATURE_MC)),
                    ("temperature", True),
                    ("emergency_stop", random.random() < 0.3),
                    ("ground_lost", random.random() < 0.3),
                )[kind]
            )
        trace.append(Step(tuple(changes), random.choice(4 * STEPS_MS + 2 * MIDDLE_STEPS_MS + LONG_STEPS_MS[1:2])))
        if random.random() < 0.1:
            trace.extend(noise(random, random.randrange(20, 300)))
    return trace


def noise(random: Random, ms: int) -> list[Step]:
    """Return a stretch of noise around one edge of a band, another sample every millisecond."""
    edge_mv, sigma_mv = random.choice(EDGES_MV), random.choice((5, 100, 1_000))
    low_mv = random.choice((-12_000, -10_000))
    return [
        Step(
            (
                ("high_mv", edge_mv + int(random.gauss(0, sigma_mv))),
                ("low_mv", low_mv + int(random.gauss(0, sigma_mv))),
            ),
            1,
        )
        for _ in range(ms)
    ]
