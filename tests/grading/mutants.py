"""Small faults in a piece of Python, one at a time: a check that lets one of them pass has a hole."""

import ast
import copy
from collections.abc import Iterator

COMPARISONS = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}  # fmt: skip
OPERATORS = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,), ast.Pow: (ast.Mult,),
    ast.MatMult: (), ast.FloorDiv: (ast.Mult,), ast.Mod: (ast.Mult,),
    ast.BitOr: (ast.BitAnd,), ast.BitAnd: (ast.BitOr,),
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "sum": "mean", "logaddexp": "maximum", "sqrt": "abs", "minimum": "maximum",
         "maximum": "minimum", "any": "all", "all": "any", "sorted": "list", "exp": "abs"}  # fmt: skip


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """("statement | before -> after", the source with this one change) of every small fault."""
    tree = ast.parse(source)
    within = {}
    for statement in (node for node in ast.walk(tree) if isinstance(node, ast.stmt)):
        within.update(dict.fromkeys(map(id, ast.walk(statement)), statement))  # the innermost comes last
    for index, node in enumerate(ast.walk(tree)):
        for variant in range(len(list(changes(node)))):
            twin = copy.deepcopy(tree)
            place = list(ast.walk(twin))[index]
            before = shown(place)
            changed_place = list(changes(place))[variant]
            replace(twin, place, changed_place)
            label = f"{first_line(within.get(id(node)))} | {before} -> {shown(changed_place)}"
            yield label, ast.unparse(ast.fix_missing_locations(twin))


def shown(node) -> str:
    return ast.unparse(ast.fix_missing_locations(node)).replace("\n", " / ") if node else "nothing"


def first_line(statement) -> str:
    return ast.unparse(statement).splitlines()[0] if statement else ""


def changes(node) -> Iterator:
    """What could stand in a node's place."""
    if isinstance(node, ast.Compare):
        for position, operator in enumerate(node.ops):
            for other in COMPARISONS[type(operator)]:
                changed = copy.deepcopy(node)
                changed.ops[position] = other()
                yield changed
    elif isinstance(node, ast.BinOp):
        for other in OPERATORS[type(node.op)]:
            yield ast.BinOp(node.left, other(), node.right)
    elif isinstance(node, ast.AugAssign):
        for other in OPERATORS[type(node.op)]:
            yield ast.AugAssign(node.target, other(), node.value)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not, ast.Invert)):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        for k in range(len(node.values)):
            rest = [value for n, value in enumerate(node.values) if n != k]
            yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)
    elif isinstance(node, ast.If):
        yield ast.If(ast.Constant(True), node.body, node.orelse)
        yield ast.If(ast.Constant(False), node.body, node.orelse)
    elif isinstance(node, ast.Call) and last_name(node.func) in NAMES:
        changed = copy.deepcopy(node)
        setattr(changed.func, "attr" if isinstance(changed.func, ast.Attribute) else "id", NAMES[last_name(node.func)])
        yield changed
    elif isinstance(node, ast.Return) and node.value is not None:
        yield ast.Return(ast.Constant(None))
    elif isinstance(node, (ast.Assign, ast.Expr, ast.Break, ast.Continue)) and not is_docstring(node):
        yield ast.Pass()
    if isinstance(node, ast.AugAssign):
        yield ast.Pass()


def last_name(function) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def is_docstring(node) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def replace(tree, old, new) -> None:
    """Put one node in another's place."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list) and any(one is old for one in value):
                setattr(parent, name, [new if one is old else one for one in value])
