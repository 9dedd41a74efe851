"""`$(EXPRESSION)` read: a few operators and functions over params, by a parser of our own; nothing is ever executed.

expression = choice ["if" choice "else" expression]
choice     = operands joined by or, and, not, comparisons, + -, * / // %, in this order of binding
operand    = number | 'text' | true | false | null | name | name(expression, ...) | operand[expression]
           | -operand | (expression)
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

MAX_LENGTH = 500
MAX_DEPTH = 30
MAX_NUMBER_LENGTH = 25

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<text>'[^']*')|(?P<sign>//|==|!=|<=|>=|[-+*/%<>()\[\],]))"
)
_BINDING = (("or",), ("and",), ("==", "!=", "<", "<=", ">", ">="), ("+", "-"), ("*", "/", "//", "%"))
_NOT = 2
_CONSTANTS = {"true": True, "false": False, "null": None}
RESERVED = ("if", "else", "or", "and", "not", *_CONSTANTS)


class ExpressionError(ValueError):
    """What is wrong with an expression, and the cure."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


@dataclass(frozen=True)
class Term:
    """A part of an expression: `value`, `name` or `call` with what it is in `value`, or an operator over `parts`."""

    operator: str
    parts: "tuple[Term, ...]" = ()
    value: Any = None


@dataclass(frozen=True)
class Token:
    """One word or sign; `end` is where it ends in the text."""

    kind: str
    text: str
    end: int


@cache
def parse(text: str) -> tuple[Term, int]:
    """The expression at the start of a text up to the `)` that closes it, and the length with that.

    Args:
        text: what follows `$(`.

    Raises:
        ExpressionError: text that is no expression, or that nothing closes.
    """
    reader = _Reader(text)
    term = reader.expression(0)
    closing = reader.take(")")
    return term, closing.end


def names(term: Term) -> Iterator[str]:
    """The params that an expression reads."""
    if term.operator == "name":
        yield term.value
    for part in term.parts:
        yield from names(part)


class _Reader:
    """Reads one expression, token by token; lives for one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.here = self.token(0)

    def token(self, start: int) -> Token:
        found = _TOKEN.match(self.text, start)
        if found is None or found.lastgroup is None:
            rest = self.text[start:].strip()
            return Token("", rest[:1], len(self.text))
        if found.end() > MAX_LENGTH:
            raise ExpressionError(f"expression of more than {MAX_LENGTH} characters", "use params for its parts")
        return Token(found.lastgroup, found[found.lastgroup], found.end())

    def next(self) -> Token:
        here = self.here
        self.here = self.token(here.end)
        return here

    def sees(self, *words: str) -> bool:
        return self.here.kind in ("sign", "name") and self.here.text in words

    def take(self, word: str) -> Token:
        if not self.sees(word):
            raise self.unexpected(f"'{word}'", self.here)
        return self.next()

    def unexpected(self, wanted: str, token: Token) -> ExpressionError:
        if token.text:
            return ExpressionError(f"expected {wanted} in the expression, got '{token.text}'")
        hint = "inside {} and [], YAML ends a text at a comma or bracket: put it in quotes"
        return ExpressionError(f"expected {wanted}, but the expression ends", hint)

    def expression(self, depth: int) -> Term:
        if depth > MAX_DEPTH:
            raise ExpressionError(f"expression nested deeper than {MAX_DEPTH} levels", "use params for its parts")
        value = self.joined(0, depth)
        if not self.sees("if"):
            return value
        self.next()
        condition = self.joined(0, depth + 1)
        self.take("else")
        return Term("if", (condition, value, self.expression(depth + 1)))

    def joined(self, level: int, depth: int) -> Term:
        """Operands joined by the operators of a level, each of operands of the next; from the left."""
        if level == len(_BINDING):
            return self.signed(depth)
        if level == _NOT and self.sees("not"):
            self.next()
            return Term("not", (self.deeper(level, depth),))
        term = self.joined(level + 1, depth)
        while self.sees(*_BINDING[level]):
            operator = self.next().text
            term = Term(operator, (term, self.joined(level + 1, depth + 1)))
        return term

    def deeper(self, level: int, depth: int) -> Term:
        if depth >= MAX_DEPTH:
            raise ExpressionError(f"expression nested deeper than {MAX_DEPTH} levels", "use params for its parts")
        return self.joined(level, depth + 1)

    def signed(self, depth: int) -> Term:
        if self.sees("-"):
            self.next()
            return Term("negative", (self.deeper(len(_BINDING), depth),))
        term = self.operand(depth)
        while self.sees("["):
            self.next()
            term = Term("item", (term, self.expression(depth + 1)))
            self.take("]")
        return term

    def operand(self, depth: int) -> Term:
        token = self.next()
        if token.kind == "number":
            return Term("value", value=_number(token.text))
        if token.kind == "text":
            return Term("value", value=token.text[1:-1])
        if token.text == "(" and token.kind:
            term = self.expression(depth + 1)
            self.take(")")
            return term
        if token.text in _CONSTANTS:
            return Term("value", value=_CONSTANTS[token.text])
        if token.kind != "name" or token.text in RESERVED:
            raise self.unexpected("a value", token)
        return self.call(token.text, depth) if self.sees("(") else Term("name", value=token.text)

    def call(self, name: str, depth: int) -> Term:
        self.next()
        parts = []
        while not self.sees(")"):
            parts.append(self.expression(depth + 1))
            if not self.sees(")"):
                self.take(",")
        self.next()
        return Term("call", tuple(parts), name)


def _number(text: str) -> int | float:
    if len(text) > MAX_NUMBER_LENGTH:
        raise ExpressionError(f"number of {len(text)} characters; at most {MAX_NUMBER_LENGTH}")
    return int(text) if text.isdigit() else float(text)
