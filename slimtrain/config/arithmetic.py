"""`$(EXPRESSION)` computed: arithmetic, comparisons and a few functions on plain values, bounded and typed."""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from slimtrain.config.expressions import ExpressionError, Term
from slimtrain.config.values import show
from slimtrain.errors import did_you_mean, one_of

MAX_NUMBER = 2**63
Number: TypeAlias = int | float


def evaluate(term: Term, values: Mapping[str, Any]) -> Any:
    """The value of an expression.

    Args:
        term: the expression.
        values: the params that it reads, each of them.

    Raises:
        ExpressionError: a value of the wrong type, a division by zero, a number too large, a function that is none.
    """
    if term.operator in ("value", "name"):
        return term.value if term.operator == "value" else values[term.value]
    if term.operator in _LAZY:
        return _LAZY[term.operator](term, values)
    parts = [evaluate(part, values) for part in term.parts]
    if term.operator == "call":
        return _called(term.value, parts)
    if term.operator in ("==", "!="):
        return _same(*parts) == (term.operator == "==")
    if term.operator == "item":
        return _item(*parts)
    return _bounded(_OPERATORS[term.operator], term.operator, parts)


def _chosen(term: Term, values: Mapping[str, Any]) -> Any:
    condition, then, otherwise = term.parts
    return evaluate(then if _truth(evaluate(condition, values)) else otherwise, values)


def _both(term: Term, values: Mapping[str, Any]) -> bool:
    return all(_truth(evaluate(part, values)) for part in term.parts)


def _either(term: Term, values: Mapping[str, Any]) -> bool:
    return any(_truth(evaluate(part, values)) for part in term.parts)


def _negated(term: Term, values: Mapping[str, Any]) -> bool:
    return not _truth(evaluate(term.parts[0], values))


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ExpressionError(f"expected true or false, got {show(value)}", "compare it: x > 0, x != null")
    return value


def _same(left: Any, right: Any) -> bool:
    """Equality of a config's values: 1 is 1.0, and neither is true."""
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)


def _item(values: Any, index: Any) -> Any:
    if not isinstance(values, list) or type(index) is not int:
        raise ExpressionError(f"expected list[number], got {show(values)}[{show(index)}]")
    if not 0 <= index < len(values):
        raise ExpressionError(f"no entry {index} in a list of {len(values)}", "entries are counted from 0")
    return values[index]


def _bounded(function: Callable[..., Any], name: str, parts: list[Any]) -> Any:
    """A function of numbers; what comes out must be finite and of a size that a config can hold."""
    for part in parts:
        if isinstance(part, bool) or not isinstance(part, (int, float)):
            raise ExpressionError(f"{name} takes numbers, got {show(part)}")
    try:
        result = function(*parts)
    except ZeroDivisionError:
        raise ExpressionError(f"{name} divides {show(parts[0])} by 0") from None
    except (OverflowError, ValueError) as error:
        raise ExpressionError(f"{name}: {error}") from None
    if not isinstance(result, bool) and not abs(result) < MAX_NUMBER:
        raise ExpressionError(f"{name} gives {show(result)}, which is too large")
    return result


def _called(name: str, parts: list[Any]) -> Any:
    if name not in FUNCTIONS:
        raise ExpressionError(
            f"no function '{name}'", did_you_mean(name, FUNCTIONS) or f"there are {one_of(FUNCTIONS)}"
        )
    function, counts = FUNCTIONS[name]
    if len(parts) not in counts:
        raise ExpressionError(f"{name} takes {counts[0]} to {counts[-1]} values, got {len(parts)}")
    if name == "len":
        return _length(parts[0])
    return _bounded(function, name, parts)


def _length(values: Any) -> int:
    if not isinstance(values, list):
        raise ExpressionError(f"len takes a list, got {show(values)}")
    return len(values)


def divisible(value: Number, divisor: Number, least: Number | None = None) -> int:
    """The multiple of a divisor nearest to a value, but never less than `least` nor less than nine tenths of the value.

    Source: MobileNet's rounding of channels (research/slim, mobilenet).
    """
    least = divisor if least is None else least
    near = max(least, math.floor(value + divisor / 2) // divisor * divisor)
    return int(near + divisor if near < 0.9 * value else near)


_LAZY: Mapping[str, Callable[[Term, Mapping[str, Any]], Any]] = {
    "if": _chosen,
    "and": _both,
    "or": _either,
    "not": _negated,
}
_OPERATORS: Mapping[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "negative": operator.neg,
}
FUNCTIONS: Mapping[str, tuple[Callable[..., Any], range]] = {
    "min": (min, range(2, 9)),
    "max": (max, range(2, 9)),
    "int": (int, range(1, 2)),
    "round": (round, range(1, 2)),
    "divisible": (divisible, range(2, 4)),
    "len": (len, range(1, 2)),
}
