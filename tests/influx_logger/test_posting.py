"""Every line ends in the database or among the dead letters, whatever the database refuses, and nothing in both."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.influx_logger.answers import Answer, Fate, understand
from agents.influx_logger.posting import Posted, post


class Model:
    """A database that refuses requests with a bad line in them; some kinds write the good ones all the same."""

    def __init__(self, bad: set[str], partial: bool, limit: int, breaks_at: int | None) -> None:
        self.bad, self.partial, self.limit, self.breaks_at = bad, partial, limit, breaks_at
        self.kept: set[str] = set()
        self.requests = 0

    async def write(self, body: str) -> Answer:
        self.requests += 1
        lines = body.split("\n")
        if self.requests == self.breaks_at:
            return Answer(Fate.LATER, "gone")
        if len(lines) > self.limit:
            return Answer(Fate.TOO_LARGE, "413")
        good = [line for line in lines if line not in self.bad]
        if len(good) == len(lines):
            self.kept.update(good)
            return Answer(Fate.TAKEN)
        if self.partial:
            self.kept.update(good)
        return Answer(Fate.REFUSED, "400: field type conflict")


@given(
    st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))),
    st.booleans(),
    st.integers(1, 70),
    st.one_of(st.none(), st.integers(1, 20)),
)
def test_good_lines_are_written_and_bad_ones_are_dead(
    world: tuple[int, set[int]], partial: bool, limit: int, breaks_at: int | None
) -> None:
    count, bad_numbers = world
    lines = [f"line{number}" for number in range(count)]
    bad = {lines[number] for number in bad_numbers}
    model = Model(bad, partial, limit, breaks_at)
    posted = asyncio.run(post("\n".join(lines), model.write))
    if posted.stopped_by is not None:
        # Nothing is deleted from the spool then: all of it comes again.
        model.breaks_at = None
        posted = asyncio.run(post("\n".join(lines), model.write))
    assert model.kept == set(lines) - bad
    assert sorted(letter.line for letter in posted.dead) == sorted(bad)
    assert all("conflict" in letter.reason for letter in posted.dead)


def test_one_bad_line_of_thousands_costs_few_requests() -> None:
    lines = [f"line{number}" for number in range(5000)]
    model = Model({"line4321"}, False, 5000, None)
    posted = asyncio.run(post("\n".join(lines), model.write))
    assert [letter.line for letter in posted.dead] == ["line4321"]
    assert model.requests <= 2 * 13 + 1


def test_lines_older_than_the_database_keeps_are_counted_and_gone() -> None:
    async def write(_lines: str) -> Answer:
        return understand(422, '{"message":"partial write: points beyond retention policy dropped=2"}', {})

    assert asyncio.run(post("a\nb", write)) == Posted(expired=2)


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        (204, Fate.TAKEN), (200, Fate.TAKEN), (400, Fate.REFUSED), (422, Fate.REFUSED), (413, Fate.TOO_LARGE),
        (401, Fate.NEVER), (403, Fate.NEVER), (404, Fate.NEVER),
        (301, Fate.LATER), (408, Fate.LATER), (429, Fate.LATER), (500, Fate.LATER), (503, Fate.LATER),
    ],
)  # fmt: skip
def test_what_a_status_means(status: int, fate: Fate) -> None:
    assert understand(status, "words", {}).fate is fate


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("999999", 3600.0), ("soon", None), ("", None)])
def test_the_database_may_ask_for_rest(text: str, seconds: float | None) -> None:
    assert understand(503, "", {"Retry-After": text}).retry_after_s == seconds
