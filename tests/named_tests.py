"""Lists that name tests, a line each: ``- `tests/folder/test_file.py::test_name` ``, or the file alone."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def named(text: str) -> list[str]:
    """Return what a list names."""
    return re.findall(r"^- `(.+)`$", text, re.MULTILINE)


def that_do_not_exist(text: str) -> list[str]:
    """Return what a list names although there is no such test, class or file."""
    return [entry for entry in named(text) if not _exists(entry)]


def _exists(entry: str) -> bool:
    path, _, name = entry.partition("::")
    file = ROOT / path
    if not file.exists():
        return False
    return not name or bool(re.search(rf"^ *(async )?(def|class) {name}\b", file.read_text(), re.MULTILINE))
