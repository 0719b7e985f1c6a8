"""What a model's fields are, in the words that stand below them in its source.

pydantic can collect these itself (``use_attribute_docstrings``), but then it reads every class's source whenever the
class is made: a third of the time in which the contract is imported. They are wanted only where something is
explained or generated.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from pydantic import BaseModel


def field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the words below the fields of ``model``, those that it has inherited too; a field without has none."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        found |= _of_module(each.__module__).get(each.__qualname__, {}) if each.__module__ != "builtins" else {}
    described = {name: info.description for name, info in model.model_fields.items() if info.description}
    return {name: text for name, text in (found | described).items() if name in model.model_fields}


@cache
def _of_module(name: str) -> dict[str, dict[str, str]]:
    if name == BaseModel.__module__:
        return {}
    try:
        tree = ast.parse(inspect.getsource(sys.modules[name]))
    except (OSError, TypeError):
        return {}  # There is no source, as in an interactive session.
    return dict(_classes(tree, ""))


def _classes(node: ast.AST, within: str) -> Iterator[tuple[str, dict[str, str]]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield within + child.name, dict(_fields(child))
            yield from _classes(child, f"{within}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _classes(child, f"{within}{child.name}.<locals>.")


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(node.body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            value = below.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield field.target.id, inspect.cleandoc(value.value)
