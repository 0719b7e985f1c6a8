"""Makes mutants of C in the core's style: each is the source with one small thing changed.

Told by the style, not by a grammar: an operator between two values has a space on either side, a statement is a line.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

OPERATORS = {
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "==": ("!=",),
    "!=": ("==",),
    "&&": ("||",),
    "||": ("&&",),
    "+": ("-",),
    "-": ("+",),
    "*": ("/",),
    "/": ("*",),
    "|": ("&",),
    "&": ("|",),
    "<<": (">>",),
    ">>": ("<<",),
    "+=": ("-=", "="),
    "-=": ("+=", "="),
    # Binds weaker than any other operator, so the whole condition is meant.
    "?": ("&& 0 ?", "|| 1 ?"),
}
WORDS = {"true": ("false",), "false": ("true",)}

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_OPERATOR = re.compile(r"(?<= )(" + "|".join(re.escape(each) for each in sorted(OPERATORS, key=len)[::-1]) + r")(?= )")
_WORD = re.compile(r"\b(true|false)\b")
_NOT = re.compile(r"(?<![\w!])!(?=[\w(])|~(?=\w)")
_NUMBER = re.compile(r"(?<![\w.])(\d+)(?![\w.])")
_CONDITION = re.compile(r"\bif \((?P<condition>.*)\) \{\s*$")
_STATEMENT = re.compile(r"^\s+(?:\*?[a-z]\w*(?:->|\.|\[| [-+*/|&]?= |\().*;|(?:break|return);)$")
_RETURN = re.compile(r"^\s+return (?P<value>[^;]+);$")
_MEMBER = re.compile(r"(?:(?<=\{)|(?<=, )|(?<=^ {8}))\.\w+ = [^,{}]+(?:, |,$|(?=\}))")
_DECLARATION = re.compile(r"^\s+(?:const |static |return\b|typedef |(?:bool|u?int\d*_t|cp_\w+) \*?\w+( =|;|\[))")


@dataclass(frozen=True)
class Mutant:
    """One change of one line: ``line`` counts from 1, ``old`` and ``new`` are the line as it is and as it would be."""

    file: str
    line: int
    old: str
    new: str
    occurrence: int
    """Which of the lines of the file that read alike, from 1."""

    @property
    def key(self) -> tuple[str, str, str]:
        """What names it for as long as the line is the same, wherever it stands."""
        again = f" [{self.occurrence}]" if self.occurrence > 1 else ""
        return self.file, self.old.strip() + again, self.new.strip()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}\n  - {self.old.strip()}\n  + {self.new.strip()}"

    def applied(self, text: str) -> str:
        """Return the source with the change made."""
        lines = text.split("\n")
        assert lines[self.line - 1] == self.old
        lines[self.line - 1] = self.new
        return "\n".join(lines)


def mutants(file: str, text: str) -> Iterator[Mutant]:
    """Return every mutant of a source, in the order of its lines, no two alike."""
    blanked = _COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment[0]), text)
    lines = text.split("\n")
    met: Counter[str] = Counter()
    for number, (line, code) in enumerate(zip(lines, blanked.split("\n"), strict=True), start=1):
        met[line.strip()] += 1
        seen = {line}
        for new in changes(line, code):
            if new not in seen:
                seen.add(new)
                yield Mutant(file, number, line, new, met[line.strip()])


def changes(line: str, code: str) -> Iterator[str]:
    """Return every change of a line; ``code`` is the line with its comments blanked."""
    if (code.startswith("#") and not code.startswith("#define")) or re.match(r"#define \w+_H$", code):
        return

    def swapped(match: re.Match[str], new: str, group: int | str = 0) -> str:
        return line[: match.start(group)] + new + line[match.end(group) :]

    for match in _OPERATOR.finditer(code):
        if not (match[0] == "*" and _DECLARATION.match(code)):
            yield from (swapped(match, new) for new in OPERATORS[match[0]])
    for match in _WORD.finditer(code):
        yield from (swapped(match, new) for new in WORDS[match[0]])
    yield from (swapped(match, "") for match in _NOT.finditer(code))
    for match in _NUMBER.finditer(code):
        value = int(match[0])
        yield from (swapped(match, str(new)) for new in (value + 1, value - 1) if new >= 0)
    if match := _CONDITION.search(code):
        yield from (swapped(match, new, "condition") for new in ("0", "1"))
    if (match := _RETURN.match(code)) and match["value"] not in ("0", "true", "false"):
        yield from (swapped(match, new, "value") for new in ("0", "1") if match["value"] != new)
    yield from (swapped(match, "") for match in _MEMBER.finditer(code))
    if _STATEMENT.match(code) and not _DECLARATION.match(code):
        yield re.match(r"\s*", line)[0] + ";"  # type: ignore[index]
