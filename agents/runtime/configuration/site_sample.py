"""Writes a ``site.toml`` that shows every setting, from the settings models and their docstrings."""

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from agents.runtime.configuration.site_config import CommonSettings

_INTRODUCTION = """\
Settings of a charging site, with their defaults. A line that begins with "#" and a key shows the default (or, for a
setting without one, its kind): remove the "#" to change it. Paths are relative to this file.
"""


def render_sample(agents: Mapping[str, type[BaseModel]], site: str = "garage") -> str:
    """Return the text of a sample ``site.toml`` for these agents' settings; it loads as it stands."""
    common = CommonSettings.model_fields
    tables = {name: info for name, info in common.items() if _model(info) is not None}
    lines = _comment(_INTRODUCTION)
    lines += ["", *_comment(common["site"].description or ""), f"site = {json.dumps(site)}"]
    for name, info in common.items():
        if name != "site" and name not in tables:
            lines += ["", *_setting(name, info)]
    for name, info in tables.items():
        lines += _table(name, _model(info) or BaseModel)
    for name, model in agents.items():
        lines += _table(name, model)
    return "\n".join(lines) + "\n"


def _table(name: str, model: type[BaseModel]) -> list[str]:
    lines = ["", "", *_comment(model.__doc__ or ""), f"[{name}]"]
    for field, info in model.model_fields.items():
        lines += ["", *_setting(field, info)]
    return lines


def _setting(name: str, info: FieldInfo) -> list[str]:
    lines = _comment(info.description or "")
    default = info.get_default(call_default_factory=True) if not info.is_required() else None
    if default is None:
        return [*lines, f"# {name} ="]
    return [*lines, *(f"# {line}" for line in f"{name} = {_toml(default)}".split("\n"))]


def _comment(text: str) -> list[str]:
    paragraphs = [" ".join(part.split()) for part in text.strip().replace("``", "`").split("\n\n")]
    lines: list[str] = []
    for paragraph in paragraphs:
        lines += [f"# {line}" for line in textwrap.wrap(paragraph, 110, break_on_hyphens=False)]
    return lines


def _toml(value: Any) -> str:
    """Return a default as a TOML value; tables are written inline."""
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_none=True)
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items() if item is not None) + " }"
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    # A TOML basic string has JSON's escapes.
    return json.dumps(value.as_posix() if isinstance(value, Path) else str(value), ensure_ascii=False)


def _model(info: FieldInfo) -> type[BaseModel] | None:
    annotation = info.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
