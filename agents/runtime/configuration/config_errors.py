"""Errors in ``site.toml``, in words: which key, which line, what is wrong, what is allowed."""

import difflib
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

UNIT_WORDS = {
    "_s": "seconds",
    "_ms": "milliseconds",
    "_min": "minutes",
    "_a": "amperes",
    "_v": "volts",
    "_w": "watts",
    "_wh": "watt-hours",
    "_percent": "percent",
    "_c": "degrees Celsius",
    "_bytes": "bytes",
}
"""Units by the ending of a key."""


class SettingError(ValueError):
    """Raised by a settings model's own validator, for example when a reference leads nowhere.

    ``key`` says where, relative to the model (``("groups", 2, "members")``), when the validator looks at more than one
    field; the line of the error is found by it.
    """

    def __init__(self, reason: str, key: tuple[str | int, ...] = ()) -> None:
        """Say what is wrong and what is allowed; never repeat a secret."""
        super().__init__(reason)
        self.reason = reason
        self.key = key


class ConfigError(Exception):
    """``site.toml`` cannot be used. The text is one line: ``site.toml:12: broker.port: …``."""

    def __init__(self, path: Path, line: int | None, key: str, reason: str) -> None:
        """Keep the parts and make the text of them; ``line`` is None if the file could not be read at all."""
        place = f"{path}" if line is None else f"{path}:{line}"
        super().__init__(f"{place}: {key}: {reason}" if key else f"{place}: {reason}")
        self.path = path
        self.line = line
        self.key = key
        self.reason = reason

    @classmethod
    def from_toml(cls, path: Path, text: str, error: tomllib.TOMLDecodeError) -> "ConfigError":
        """Translate an error of the TOML parser, whose text ends with the place."""
        message = str(error)
        place = re.search(r" \(at line (\d+), column (\d+)\)$", message)
        line = int(place[1]) if place else text.count("\n") + 1
        what = re.sub(r" \(at .*\)$", "", message)
        return cls(path, line, "", f"not valid TOML: {what}")


def unknown_key(key: str, allowed: Iterable[str]) -> str:
    """Return what to say about an unknown key, with the most similar allowed one."""
    names = sorted(allowed)
    similar = [name for name in names if _without_unit(name) == _without_unit(key)]
    similar = similar or difflib.get_close_matches(key, names, 1)
    hint = f'; did you mean "{similar[0]}"{_in_unit(similar[0])}?' if similar else "."
    return f"unknown key{hint} Allowed here: {', '.join(names) or 'nothing'}"


def first_problem(model: type[BaseModel], error: ValidationError) -> tuple[tuple[str | int, ...], str]:
    """Return where the first problem of ``error`` is (without steps that are not in the file) and what to say."""
    # Unknown keys first: a misspelt key often makes another one missing.
    problems = sorted(
        error.errors(include_url=False, include_input=False), key=lambda p: p["type"] != "extra_forbidden"
    )
    problem = problems[0]
    path, info, owner = _follow(model, problem["loc"])
    kind = problem["type"]
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, SettingError):
        return (*path, *cause.key), cause.reason + _more(problems)
    if kind == "extra_forbidden":
        return path, unknown_key(str(path[-1]), owner.model_fields if owner else ()) + _more(problems)
    if kind == "missing":
        return path, "is missing" + _described(info) + _more(problems)
    name = str(path[-1]) if path else ""
    said = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return path, f"{said}{_in_unit(name)}{_described(info)}" + _more(problems)


def _more(problems: list[Any]) -> str:
    return f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""


def _described(info: FieldInfo | None) -> str:
    if info is None or not info.description:
        return ""
    return ". " + " ".join(info.description.split("\n\n")[0].split())


def _in_unit(name: str) -> str:
    ending = _unit(name)
    return f" ({UNIT_WORDS[ending]})" if ending else ""


def _unit(name: str) -> str:
    return max((ending for ending in UNIT_WORDS if name.endswith(ending)), key=len, default="")


def _without_unit(name: str) -> str:
    return name.removesuffix(_unit(name))


def _follow(
    model: type[BaseModel], location: tuple[str | int, ...]
) -> tuple[tuple[str | int, ...], FieldInfo | None, type[BaseModel] | None]:
    """Walk from ``model`` along ``location``.

    Return the path without pydantic's own steps (names of union members), the last field, and the model that the last
    step is in.
    """
    path: list[str | int] = []
    info: FieldInfo | None = None
    owner: type[BaseModel] | None = model
    inside: list[type[BaseModel]] = [model]
    for step in location:
        holder = next((m for m in inside if isinstance(step, str) and step in m.model_fields), None)
        if holder is not None:
            owner, info = holder, holder.model_fields[str(step)]
            inside = _models_in(info.annotation)
        elif isinstance(step, str) and any(step == m.__name__ for m in inside):
            inside = [m for m in inside if m.__name__ == step]
            continue
        elif isinstance(step, str) and len(inside) == 1 and step == location[-1]:
            owner, info = inside[0], None
        elif isinstance(step, str) and _looks_internal(step):
            continue
        path.append(step)
    return tuple(path), info, owner


def _looks_internal(step: str) -> bool:
    """Tell whether a step is pydantic's name for a union's branch: ``int``, ``list[str]``, ``constrained-str``."""
    return (
        re.fullmatch(r"(int|float|str|bool|none|list\[.*\]|dict\[.*\]|constrained-\w+|function-\w+\[.*\])", step)
        is not None
    )


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
