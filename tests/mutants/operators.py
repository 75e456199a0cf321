"""Mutants of a file: each changes one place of its text, by the file's syntax tree.

The text around the place stays as it is. Texts for people are left alone: no test should hold their wording.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
}  # fmt: skip
_BESIDE: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}  # fmt: skip
_OTHER_CALL = {"any": "all", "all": "any", "min": "max", "max": "min"}
_PROSE = 3
"""A text of more words is meant for people."""


@dataclass(frozen=True)
class Mutant:
    """One changed place of a file."""

    path: str
    line: int
    first: int
    last: int
    """The lines of the statement that the place belongs to, without its body."""
    function: bool
    """Whether the line runs when its function is called, not when its module is imported."""
    old: str
    new: str
    source: str
    """The line as it was, without its indentation: it names the place when the file's other lines have moved."""
    text: str
    """The whole file, mutated."""
    why: str = ""
    """For one that was placed by hand: what would happen."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {_short(self.old)} -> {_short(self.new)}"


@dataclass(frozen=True)
class Place:
    """A part of a file's syntax tree, and what takes its place."""

    path: str
    node: ast.expr | ast.stmt
    new: str
    statement: ast.stmt
    function: bool

    def mutant(self, text: str) -> Mutant | None:
        """Change the file's text there; None where it means the same then, or is no program any more."""
        data, node = text.encode(), self.node
        if isinstance(node, ast.Return) and _is_nothing(node.value):
            return None  # whoever asks for a truth takes None for False
        lines = data.splitlines(keepends=True)
        starts = [0, *itertools.accumulate(map(len, lines))]
        first = starts[node.lineno - 1] + node.col_offset
        last = starts[_end(node) - 1] + (node.end_col_offset or 0)
        changed = (data[:first] + self.new.encode() + data[last:]).decode()
        try:
            if ast.dump(ast.parse(changed)) == ast.dump(ast.parse(text)):
                return None
        except SyntaxError:
            return None
        return Mutant(
            path=self.path,
            line=node.lineno,
            first=self.statement.lineno,
            last=max(_end_of_head(self.statement), _end(node)),
            function=self.function,
            old=" ".join(data[first:last].decode().split()),
            new=" ".join(self.new.split()),
            source=lines[node.lineno - 1].decode().strip(),
            text=changed,
        )


def places(path: str, text: str) -> Iterator[Place]:
    """Give every place of a file that can be mutated, from its top to its end."""
    todo: list[tuple[ast.AST, ast.stmt | None, bool]] = [(ast.parse(text), None, False)]
    while todo:
        node, statement, function = todo.pop()
        if isinstance(node, ast.stmt):
            statement = node
        if statement is not None:
            for part, new in _changes(node):
                yield Place(path, part, new, statement, function)
        body = node.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else []
        children = [(child, statement, function or child in body) for child in _children(node)]
        todo.extend(reversed(children))


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Give what is below a node, but for annotations, decorators, documentation and texts of messages."""
    left_out: list[ast.AST | None] = []
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            left_out = [node.returns, *node.decorator_list]
        case ast.ClassDef():
            left_out = [*node.decorator_list]
        case ast.AnnAssign() | ast.arg():
            left_out = [node.annotation]
        case ast.Raise() | ast.JoinedStr():  # Python 3.11 does not tell where the parts of an f-string are
            return
        case _:
            pass
    for child in ast.iter_child_nodes(node):
        text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        if child not in left_out and not text:
            yield child


def _changes(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Give the parts of a node that can be changed, and what to."""
    match node:
        case ast.If() | ast.While() | ast.IfExp() if not isinstance(node.test, ast.Compare):
            yield node.test, f"(not {_text(node.test)})"
        case ast.ExceptHandler(type=ast.expr() as caught):
            yield caught, "ZeroDivisionError"
        case _:
            pass
    if isinstance(node, ast.expr | ast.stmt):
        change = _CHANGES.get(type(node))
        for new in change(node) if change else ():
            yield node, new


def _compare(node: ast.Compare) -> Iterator[str]:
    for table in (_OPPOSITE, _BESIDE):
        for at, operator in enumerate(node.ops):
            if type(operator) in table:
                operators = [*node.ops[:at], table[type(operator)](), *node.ops[at + 1 :]]
                yield _text(ast.Compare(node.left, operators, node.comparators))


def _bool_op(node: ast.BoolOp) -> Iterator[str]:
    yield _text(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
    for at in range(len(node.values)):
        yield _text(ast.BoolOp(node.op, node.values[:at] + node.values[at + 1 :]))


def _unary(node: ast.UnaryOp) -> Iterator[str]:
    if isinstance(node.op, ast.Not):
        yield _text(node.operand)


def _binary(node: ast.BinOp) -> Iterator[str]:
    formatted = isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant)
    if type(node.op) in _ARITHMETIC and not formatted:
        yield _text(ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right))


def _constant(node: ast.Constant) -> Iterator[str]:
    match node.value:
        case bool():
            yield str(not node.value)
        case int() | float():
            yield _text(ast.Constant(node.value + 1))
            yield _text(ast.Constant(node.value - 1))
        case str() if node.value and len(node.value.split()) <= _PROSE and "\n" not in node.value:
            yield "('')"
        case bytes() if node.value:
            yield "(b'')"


def _call(node: ast.Call) -> Iterator[str]:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name in _OTHER_CALL:
        yield _text(ast.Call(ast.Name(_OTHER_CALL[name]), node.args, node.keywords))
    for at in range(len(node.keywords)):
        yield _text(ast.Call(node.func, node.args, node.keywords[:at] + node.keywords[at + 1 :]))
    if len(node.args) > 1 and name not in {"isinstance", "getattr", "hasattr"}:
        yield _text(ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords))


def _comprehension(node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Iterator[str]:
    for at, part in enumerate(node.generators):
        for number in range(len(part.ifs)):
            kept = ast.comprehension(part.target, part.iter, part.ifs[:number] + part.ifs[number + 1 :], 0)
            changed = ast.parse(ast.unparse(node), mode="eval").body
            changed.generators = [*node.generators[:at], kept, *node.generators[at + 1 :]]  # type: ignore[attr-defined]
            yield _text(changed)


def _if_exp(node: ast.IfExp) -> Iterator[str]:
    yield _text(node.body)
    yield _text(node.orelse)


def _subscript(node: ast.Subscript) -> Iterator[str]:
    if isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load):
        yield _text(node.value)


def _return(node: ast.Return) -> Iterator[str]:
    if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield "return None"


def _expression(node: ast.Expr) -> Iterator[str]:
    if isinstance(node.value, ast.Call | ast.Await):
        yield "pass"


def _nothing(_: ast.stmt) -> Iterator[str]:
    yield "pass"


def _assigned(node: ast.AugAssign) -> Iterator[str]:
    yield f"{ast.unparse(node.target)} = {ast.unparse(node.value)}"


_CHANGES: dict[type[ast.AST], Callable[..., Iterator[str]]] = {
    ast.Compare: _compare,
    ast.BoolOp: _bool_op,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.Constant: _constant,
    ast.Call: _call,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.IfExp: _if_exp,
    ast.Subscript: _subscript,
    ast.Return: _return,
    ast.Expr: _expression,
    ast.Raise: _nothing,
    ast.Continue: _nothing,
    ast.Break: _nothing,
    ast.AugAssign: _assigned,
}


def _text(node: ast.expr) -> str:
    return f"({ast.unparse(node)})"


def _end_of_head(statement: ast.stmt) -> int:
    """Give the last line of a statement without its body."""
    body = getattr(statement, "body", None)
    return max(statement.lineno, body[0].lineno - 1) if body else _end(statement)


def _end(node: ast.expr | ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _short(text: str) -> str:
    return text if len(text) <= 160 else f"{text[:157]}..."


def in_function(text: str, first: int, last: int) -> bool:
    """Tell whether lines are in the body of a function."""
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return any(node.body[0].lineno <= first and last <= _end(node) for node in functions)


def _is_nothing(value: ast.expr | None) -> bool:
    """Tell whether a value counts as false: False, 0, "" or an empty list."""
    match value:
        case ast.Constant():
            return not value.value
        case ast.Tuple() | ast.List():
            return not value.elts
        case ast.Dict():
            return not value.keys
        case _:
            return False
