"""The mutants of a module: its syntax tree with one place changed, each with a name that outlives other edits."""

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SHOWN = 90
"""Characters of a changed expression that stand in a mutant's name."""

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
CALLED = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor"}
DROPPED = ("abs", "reversed", "sorted", "round")
"""Calls that are replaced by their first argument."""


@dataclass(frozen=True)
class Mutant:
    """A module with one change."""

    name: str
    """Where it is and what it changes: ``Exposure.done: a < b → a <= b``, with a number if there are several."""
    line: int
    tree: ast.Module


def mutants(source: str) -> list[Mutant]:
    """Return all mutants of a module, in the order of its lines."""
    tree = ast.parse(source)
    found: list[Mutant] = []
    names = Counter[str]()
    for place, node, scope in _places(tree):
        for before, after, make in _changes(node):
            name = f"{scope}: {before} → {after}"
            names[name] += 1
            changed = copy.deepcopy(tree)
            _replace(changed, place, make)
            numbered = name if names[name] == 1 else f"{name} #{names[name]}"
            found.append(Mutant(numbered, getattr(node, "lineno", 0), ast.fix_missing_locations(changed)))
    return sorted(found, key=lambda each: each.line)


Place = tuple[tuple[str, int | None], ...]
"""The way from the module to a node: fields, and positions in those that are lists."""

UNCHANGED = ("annotation", "returns", "decorator_list", "type_params")


def _places(tree: ast.Module) -> Iterator[tuple[Place, ast.AST, str]]:
    """Yield what may be changed: no annotations, decorators, documentation, texts or log lines."""
    todo: list[tuple[Place, ast.AST, str]] = [((), tree, "module")]
    while todo:
        place, node, scope = todo.pop(0)
        if place:
            yield place, node, scope
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            scope = node.name if scope == "module" else f"{scope}.{node.name}"
        for name, value in ast.iter_fields(node):
            if name in UNCHANGED:
                continue
            children = enumerate(value) if isinstance(value, list) else [(None, value)]
            for at, child in children:
                if isinstance(child, ast.AST) and not _is_left_out(child):
                    todo.append(((*place, (name, at)), child, scope))


def _is_left_out(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom | ast.Raise | ast.Assert):
        return True
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or "log." in ast.unparse(node.value).split("(")[0]
    return False


def _changes(node: ast.AST) -> Iterator[tuple[str, str, Callable[[ast.AST], ast.AST]]]:
    """Yield what is shown before and after a change, and the change of a copy of the node."""
    for make in _makers(node):
        before, after = _shown(node), _shown(make(copy.deepcopy(node)))
        if before != after:
            yield before, after, make


def _makers(node: ast.AST) -> Iterator[Callable[[ast.AST], ast.AST]]:
    match node:
        case ast.Compare():
            for number, operator in enumerate(node.ops):
                if type(operator) in COMPARED:
                    yield _compared(number)
        case ast.BinOp() if type(node.op) in CALCULATED:
            yield _with("op", CALCULATED[type(node.op)]())
        case ast.AugAssign() if type(node.op) in CALCULATED:
            yield _with("op", CALCULATED[type(node.op)]())
            yield lambda _: ast.Pass()
        case ast.BoolOp():
            yield _with("op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
            for number in range(len(node.values)):
                yield _without(number)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield lambda copied: copied.operand
        case ast.Constant(value=bool()):
            yield _with("value", not node.value)
        case ast.Constant(value=int() | float()):
            yield _with("value", node.value + 1)
            yield _with("value", type(node.value)(0))
        case ast.Call():
            yield from _calls(node)
        case ast.If() | ast.While() | ast.IfExp():
            yield _negated
        case ast.comprehension() if node.ifs:
            for number in range(len(node.ifs)):
                yield _unfiltered(number)
        case ast.Expr():
            yield lambda _: ast.Pass()
        case ast.Assign() if all(isinstance(each, ast.Attribute | ast.Subscript) for each in node.targets):
            yield lambda _: ast.Pass()
        case ast.Continue() | ast.Break():
            yield lambda _: ast.Pass()
        case ast.Return(value=None):
            yield lambda _: ast.Pass()


def _calls(node: ast.Call) -> Iterator[Callable[[ast.AST], ast.AST]]:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if name in CALLED:
        other = CALLED[name]

        def swapped(copied: ast.AST) -> ast.AST:
            function = copied.func
            setattr(function, "id" if isinstance(function, ast.Name) else "attr", other)
            return copied

        yield swapped
    if name in DROPPED and node.args:
        yield lambda copied: copied.args[0]


def _with(name: str, value: object) -> Callable[[ast.AST], ast.AST]:
    def change(copied: ast.AST) -> ast.AST:
        setattr(copied, name, value)
        return copied

    return change


def _compared(number: int) -> Callable[[ast.AST], ast.AST]:
    def change(copied: ast.AST) -> ast.AST:
        operators = copied.ops
        operators[number] = COMPARED[type(operators[number])]()
        return copied

    return change


def _without(number: int) -> Callable[[ast.AST], ast.AST]:
    def change(copied: ast.AST) -> ast.AST:
        values = copied.values
        del values[number]
        return copied if len(values) > 1 else values[0]

    return change


def _unfiltered(number: int) -> Callable[[ast.AST], ast.AST]:
    def change(copied: ast.AST) -> ast.AST:
        del copied.ifs[number]
        return copied

    return change


def _negated(copied: ast.AST) -> ast.AST:
    copied.test = ast.UnaryOp(ast.Not(), copied.test)
    return copied


def _replace(tree: ast.Module, place: Place, make: Callable[[ast.AST], ast.AST]) -> None:
    parent: ast.AST = tree
    for name, at in place[:-1]:
        parent = getattr(parent, name) if at is None else getattr(parent, name)[at]
    name, at = place[-1]
    old = getattr(parent, name) if at is None else getattr(parent, name)[at]
    new = ast.copy_location(make(old), old) if isinstance(old, ast.expr | ast.stmt) else make(old)
    if at is None:
        setattr(parent, name, new)
    else:
        getattr(parent, name)[at] = new


def _shown(node: ast.AST) -> str:
    """Return the line of code that tells where and what: of a statement with a body only its head."""
    if isinstance(node, ast.If | ast.While):
        text = f"{'if' if isinstance(node, ast.If) else 'while'} {ast.unparse(node.test)}"
    elif isinstance(node, ast.comprehension):
        text = ast.unparse(node).strip()
    else:
        text = ast.unparse(ast.fix_missing_locations(ast.Expression(node)) if isinstance(node, ast.expr) else node)
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
