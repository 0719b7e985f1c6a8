"""A list of cards as a CSV file, which a site can edit with any spreadsheet.

The first line names the columns: ``uid`` and any of ``name``, ``group``, ``expires`` (2027-01-31), ``chargers``
(separated by spaces), ``hours`` (06:00-22:00) and ``blocked`` (yes or no). Fields are separated by commas or
semicolons; lines that begin with ``#`` are skipped. The file counts as a whole or not at all.
"""

import csv
from collections.abc import Iterable
from datetime import date
from io import StringIO
from pathlib import Path

from pydantic import ValidationError

from agents.access.cards import Card

COLUMNS = tuple(Card.model_fields)
"""Columns that a file may have."""

LARGEST_BYTES = 10_000_000
"""A larger file is not a list of cards."""

_YES = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}


class CardsFileError(ValueError):
    """A file of cards that cannot be used; the text names file, line and column and says what is expected."""


def read_cards(path: Path) -> dict[str, Card]:
    """Return the cards in ``path`` by UID. Raises :class:`CardsFileError`. Blocks."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise CardsFileError(f"{path}: larger than {LARGEST_BYTES // 1_000_000} MB: is this a list of cards?")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CardsFileError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CardsFileError(f"{path}: is not UTF-8 text; save it as CSV UTF-8") from None
    return parse_cards(text, str(path))


def parse_cards(text: str, where: str) -> dict[str, Card]:
    """Return the cards in the text of a file that is called ``where``. Raises :class:`CardsFileError`."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if _counts(line)]
    if not lines:
        raise CardsFileError(f"{where}: is empty; its first line names the columns, at least uid")
    separator = ";" if ";" in lines[0][1] else ","
    columns = [cell.strip().lower() for cell in _cells(lines[0], separator, where)]
    _check_columns(columns, f"{where}, line {lines[0][0]}")
    cards: dict[str, Card] = {}
    seen: dict[str, int] = {}
    for number, line in lines[1:]:
        cells = [cell.strip() for cell in _cells((number, line), separator, where)]
        if len(cells) != len(columns):
            raise CardsFileError(f"{where}, line {number}: has {len(cells)} fields, the first line has {len(columns)}")
        card = _card(dict(zip(columns, cells, strict=True)), f"{where}, line {number}")
        if card.uid in cards:
            raise CardsFileError(f"{where}, line {number}: the card is in line {seen[card.uid]} already")
        cards[card.uid], seen[card.uid] = card, number
    return cards


def _counts(line: str) -> bool:
    return bool(line.strip(" \t,;")) and not line.lstrip().startswith("#")


def _cells(line: tuple[int, str], separator: str, where: str) -> list[str]:
    try:
        return next(csv.reader(StringIO(line[1]), delimiter=separator, strict=True))
    except (csv.Error, StopIteration) as error:
        raise CardsFileError(f"{where}, line {line[0]}: is not CSV: {error}") from None


def _check_columns(columns: Iterable[str], where: str) -> None:
    columns = list(columns)
    for column in columns:
        if column not in COLUMNS:
            raise CardsFileError(f"{where}: no column is called {column[:40]!r}; there are {', '.join(COLUMNS)}")
    if "uid" not in columns or len(set(columns)) != len(columns):
        raise CardsFileError(f"{where}: names the columns, each once and uid among them")


def _card(cells: dict[str, str], where: str) -> Card:
    values: dict[str, object] = {column: cell for column, cell in cells.items() if cell}
    values["uid"] = cells["uid"]
    values["chargers"] = cells.get("chargers", "").split()
    try:
        values["blocked"] = _YES[cells.get("blocked", "").lower()]
    except KeyError:
        raise CardsFileError(f"{where}: column blocked: use yes or no") from None
    if "expires" in values:
        try:
            values["expires"] = date.fromisoformat(cells["expires"])
        except ValueError:
            raise CardsFileError(f"{where}: column expires: use a date like 2027-01-31") from None
    try:
        return Card.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        column = ".".join(str(part) for part in problem["loc"])
        raise CardsFileError(f"{where}: column {column}: {problem['msg']}") from None
