"""The mutants of a module: one small change each, inside a function, where a test may notice it.

Not changed: what is only said (strings, docstrings), what only types see, assertions, which hold whatever happens
(`assert_never` and `strict` of a zip are such), and what runs once when the module is imported.
"""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Change = tuple[ast.AST, ast.AST | None]

N = TypeVar("N", bound=ast.AST)

_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}
_UNTOUCHED = (ast.Assert, ast.JoinedStr, ast.arguments, ast.AnnAssign)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: in which outermost function, where, and what it was and became."""

    file: str
    function: str
    line: int
    statement: int  # the line on which the statement begins that it is in
    was: str
    became: str
    number: int  # among those of its file

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}: `{self.was}` became `{self.became}`"


def mutants_of(file: Path, name: str) -> tuple[Mutant, ...]:
    """Return every mutant of a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return tuple(
        Mutant(name, qualified, _line(was), statement, _shown(was), _shown(became), number)
        for number, (qualified, statement, was, became) in enumerate(_all(tree))
    )


def mutated(file: Path, mutant: Mutant) -> ast.Module:
    """Return the module with the change made."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for number, (_, _, was, became) in enumerate(_all(tree)):
        if number == mutant.number:
            _Put(was, became).visit(tree)
            return ast.fix_missing_locations(tree)
    raise LookupError(str(mutant))


class _Put(ast.NodeTransformer):
    """Puts one node in another's place; a statement that goes leaves `pass`."""

    def __init__(self, was: ast.AST, became: ast.AST | None) -> None:
        self._was, self._became = was, became

    def visit(self, node: ast.AST) -> ast.AST:
        if node is not self._was:
            return self.generic_visit(node)
        return ast.copy_location(self._became or ast.Pass(), node)


def _all(tree: ast.Module) -> Iterator[tuple[str, int, ast.AST, ast.AST | None]]:
    for top in tree.body:
        if isinstance(top, _FUNCTIONS):
            yield from ((top.name, *change) for change in _inside(top))
        elif isinstance(top, ast.ClassDef):
            for method in top.body:
                if isinstance(method, _FUNCTIONS):
                    yield from ((f"{top.name}.{method.name}", *change) for change in _inside(method))


def _inside(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[int, ast.AST, ast.AST | None]]:
    for statement in function.body:
        yield from _changes(statement, statement.lineno)


def _changes(node: ast.AST, statement: int) -> Iterator[tuple[int, ast.AST, ast.AST | None]]:
    if isinstance(node, _UNTOUCHED) or (isinstance(node, ast.keyword) and node.arg == "strict"):
        return
    statement = node.lineno if isinstance(node, ast.stmt) else statement
    for was, became in (*_of_expression(node), *_of_statement(node)):
        yield statement, was, became
    for child in ast.iter_child_nodes(node):
        yield from _changes(child, statement)


def _of_expression(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare(ops=[only]):
            for other in _COMPARED[type(only)]:
                yield node, _with(node, ops=[other()])
        case ast.BoolOp(op=ast.And()):
            yield node, _with(node, op=ast.Or())
        case ast.BoolOp(op=ast.Or()):
            yield node, _with(node, op=ast.And())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield node, operand
        case ast.BinOp(op=op) if type(op) in _CALCULATED:
            yield node, _with(node, op=_CALCULATED[type(op)]())
        case ast.Constant(value=bool(value)):
            yield node, ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield node, ast.Constant(value + 1)
        case ast.Call(func=ast.Name(id=name)) if name in _CALLED:
            yield node, _with(node, func=ast.Name(_CALLED[name], ast.Load()))
        case ast.IfExp(test=test):
            yield test, _negated(test)
        case ast.comprehension(ifs=[_, *_]):
            yield node, _with(node, ifs=[])


def _of_statement(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.If(test=test) | ast.While(test=test) if not isinstance(test, ast.Compare | ast.UnaryOp):
            yield test, _negated(test)
        case ast.Expr(value=ast.Constant() | ast.Call(func=ast.Name("assert_never"))):
            return
        case ast.Expr() | ast.AugAssign() | ast.Raise() | ast.Continue() | ast.Break():
            yield node, None
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and not value.value):
            yield node, ast.Return(ast.Constant(None))


def _negated(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), copy.deepcopy(test))


def _with(node: N, **fields: object) -> N:
    """Return a node with other fields; what is inside stays the very same."""
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def _line(node: ast.AST) -> int:
    return int(getattr(node.target if isinstance(node, ast.comprehension) else node, "lineno", 0))


def _shown(node: ast.AST | None) -> str:
    if node is None:
        return "pass"
    text = " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())
    return text if len(text) <= 90 else f"{text[:87]}..."
