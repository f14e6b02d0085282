"""Mutants: a source with one small fault in it, as a tired programmer would make it."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SWAPPED = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
OPPOSITE = {
    name: other
    for pair in (
        ("min", "max"),
        ("amin", "amax"),
        ("argmin", "argmax"),
        ("minimum", "maximum"),
        ("clamp_min", "clamp_max"),
        ("cummax", "cummin"),
        ("any", "all"),
        ("floor", "ceil"),
    )
    for name, other in (pair, pair[::-1])
}


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        path: of the file, below ``src/xhat``.
        line: where it is.
        kind: what was done.
        before: the line as it was, ``after`` as it is.
        source: of the whole file, with the fault.
    """

    path: str
    line: int
    kind: str
    before: str
    after: str
    source: str

    @property
    def name(self) -> str:
        """What tells it from others, wherever the file has moved it."""
        return f"{self.path}: {self.before} -> {self.after}"


@dataclass(frozen=True)
class _Change:
    """How one node may be changed: its place in the walk, and what to do there."""

    place: int
    kind: str
    act: Callable[[ast.AST], ast.AST | None]


def sites(source: str) -> int:
    """How many mutants a source has."""
    return sum(1 for _ in _changes(ast.parse(source)))


def mutant(path: str, source: str, number: int) -> Mutant:
    """Mutant ``number`` of a source, from 0 to ``sites(source) - 1``."""
    tree = ast.parse(source)
    change = list(_changes(tree))[number]
    whole, node = ast.unparse(tree), list(ast.walk(tree))[change.place]
    line = getattr(node, "lineno", 1)
    new = change.act(node)
    if new is not None:
        _put(tree, node, new)
    text = ast.unparse(ast.fix_missing_locations(tree))
    return Mutant(path, line, change.kind, *_difference(whole, text), text + "\n")


def _changes(tree: ast.Module) -> Iterator[_Change]:
    left_out = set(_left_out(tree))
    for place, node in enumerate(ast.walk(tree)):
        if id(node) not in left_out:
            for kind, act in _acts(node):
                yield _Change(place, kind, act)


def _acts(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], ast.AST | None]]]:
    """What can be done to a node; an act changes it in place or returns what replaces it."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in SWAPPED:
        yield "comparison", _swap_comparison
    elif isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in SWAPPED:
        yield "operator", _swap_operator
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not | ast.Invert):
        yield "sign", _without
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "constant", _the_other
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield "constant", _another_number
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        yield "condition", _negate
    elif _name(node) in OPPOSITE:
        yield "opposite", _opposite
    if isinstance(node, ast.Expr | ast.AugAssign | ast.Raise):
        yield "dropped", lambda _: ast.Pass()


def _name(node: ast.AST) -> str:
    """What a node calls; "" for none."""
    if isinstance(node, ast.Name):
        return node.id if isinstance(node.ctx, ast.Load) else ""
    return node.attr if isinstance(node, ast.Attribute) else ""


def _says(node: ast.AST) -> bool:
    """Whether it is a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _swap_comparison(node: ast.AST) -> None:
    assert isinstance(node, ast.Compare)
    node.ops = [SWAPPED[type(node.ops[0])]()]


def _swap_operator(node: ast.AST) -> None:
    assert isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp)
    node.op = SWAPPED[type(node.op)]()


def _another_number(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Constant)
    value = node.value
    return ast.Constant(value + 1 if isinstance(value, int) or value == 0 else 2 * value)


def _the_other(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Constant)
    return ast.Constant(not node.value)


def _without(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.UnaryOp)
    return node.operand


def _negate(node: ast.AST) -> None:
    assert isinstance(node, ast.If | ast.IfExp | ast.While)
    node.test = ast.UnaryOp(ast.Not(), node.test)


def _opposite(node: ast.AST) -> None:
    if isinstance(node, ast.Attribute):
        node.attr = OPPOSITE[node.attr]
    elif isinstance(node, ast.Name):
        node.id = OPPOSITE[node.id]


def _put(tree: ast.Module, old: ast.AST, new: ast.AST) -> None:
    """Put a node in the place of another."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list):
                setattr(parent, name, [new if each is old else each for each in value])


def _left_out(tree: ast.Module) -> Iterator[int]:
    """What is no behaviour: docstrings, annotations, messages, lists of names, imports."""
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.FunctionDef):
            parts = [node.returns, *node.decorator_list]
        elif isinstance(node, ast.arg | ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.Raise):
            parts = [node.exc, node.cause]
        elif isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom) or _says(node):
            parts = [node]
        elif isinstance(node, ast.Call) and "warn" in ast.unparse(node.func):
            parts = [each.value for each in node.keywords]  # how many frames up it is told
        for part in parts:
            if part is not None:
                yield from (id(each) for each in ast.walk(part))


def _difference(before: str, after: str) -> tuple[str, str]:
    """The first lines that differ."""
    for old, new in zip(before.splitlines(), after.splitlines(), strict=False):
        if old != new:
            return old.strip(), new.strip()
    return before, after
