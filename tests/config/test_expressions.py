"""Expressions as they are read: what binds tighter, what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimtrain.config.expressions import ExpressionError, Term, names, parse


def shown(term: Term) -> str:
    """A term with every operation in parentheses."""
    if term.operator in ("value", "name"):
        return repr(term.value) if term.operator == "value" else term.value
    parts = " ".join(map(shown, term.parts))
    return f"({term.value or term.operator} {parts})"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a + b * c", "(+ a (* b c))"),
        ("a - b - c", "(- (- a b) c)"),
        ("a // b % c", "(% (// a b) c)"),
        ("(a + b) * c", "(* (+ a b) c)"),
        ("-a + b", "(+ (negative a) b)"),
        ("-a[0]", "(negative (item a 0))"),
        ("a[b + 1][c]", "(item (item a (+ b 1)) c)"),
        ("not a == b and c or d", "(or (and (not (== a b)) c) d)"),
        ("a + 1 < b", "(< (+ a 1) b)"),
        ("x if a else y if b else z", "(if a x (if b y z))"),
        ("max(a, int(b), 3)", "(max a (int b) 3)"),
        ("1.5e3", "1500.0"),
        (".5", "0.5"),
        ("'a b'", "'a b'"),
        ("true", "True"),
        ("null", "None"),
        ("truer", "truer"),
    ],
)
def test_how_expressions_are_read(text, read):
    term, length = parse(f"{text}) and more")
    assert shown(term) == read and length == len(text) + 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (")", "expected a value in the expression, got ')'"),
        ("a b)", "expected ')' in the expression, got 'b'"),
        ("a", "expected ')', but the expression ends"),
        ("a + ", "expected a value, but the expression ends"),
        ("a.b)", "expected ')' in the expression, got '.'"),
        ("a if b)", "expected 'else' in the expression, got ')'"),
        ("if)", "expected a value in the expression, got 'if'"),
        ("max(a b))", "expected ',' in the expression, got 'b'"),
        ("a[0)", "expected ']' in the expression, got ')'"),
        ("a == b == c)", None),
        ("a ** 2)", "expected a value in the expression, got '*'"),
        ("'a)", "expected a value in the expression, got '''"),
        ("9" * 26 + ")", "number of 26 characters; at most 25"),
        ("a + " * 200 + "a)", "expression of more than 500 characters"),
        ("(" * 40 + "a" + ")" * 41, "expression nested deeper than 30 levels"),
        ("-" * 40 + "a)", "expression nested deeper than 30 levels"),
        ("not " * 40 + "a)", "expression nested deeper than 30 levels"),
        ("max(" * 40 + "a" + ")" * 41, "expression nested deeper than 30 levels"),
        ("a" + "[a" * 40 + "]" * 40 + ")", "expression nested deeper than 30 levels"),
        ("a if a else " * 40 + "a)", "expression nested deeper than 30 levels"),
    ],
)
def test_what_is_no_expression_is_told(text, told):
    if told is None:
        parse(text)
        return
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.what == told


def test_the_params_that_an_expression_reads():
    assert list(names(parse("max(a, b[c]) if d else 'e' )")[0])) == ["d", "a", "b", "c"]


@given(st.text(alphabet="ab1.+-*/%<>=!()[],' ifelsnotrd", max_size=60))
def test_any_text_is_an_expression_or_refused(text):
    try:
        _, length = parse(text)
    except ExpressionError as error:
        assert error.what
    else:
        assert text[length - 1] == ")"
