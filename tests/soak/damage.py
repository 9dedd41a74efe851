"""Ways to damage bytes, texts and trees of values, drawn at random; for the soaks of hostile input."""

import random
import re
from collections.abc import Sequence
from typing import Any

NUMBERS = [0, 1, 2, 3, 7, 127, 128, 255, 256, 1000, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**53, 2**62]
NUMBERS += [2**63 - 1, 2**63, 2**64 - 1, 10**12, 10**18, 10**19, 10**30, -1, -2, -(2**31), -(2**63), -(2**64)]
PLACES = [*NUMBERS, 0.5, 1e-300, 1e308, -0.0, 1e-8, float("inf"), float("-inf"), float("nan")]
SPICE = [b"\0", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\n", b"\t", b"\x1b[2J", b"\xc2\x85"]
SPICE += [
    b"\xe2\x80\xa8",
    b"\xf0\x9f\x98\x80",
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"'",
    b'"',
]
_WORDS = re.compile(rb"\w+|\s+|[^\w\s]")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])")


def bytes_of(draw: random.Random, data: bytes, other: bytes = b"") -> bytes:
    """The bytes with one to five changes: flips, cuts, insertions, copies, pieces of others."""
    for _ in range(draw.choice([1, 1, 1, 2, 3, 5])):
        data = draw.choice(_BYTES)(draw, data, other or data)
    return data


def _flipped(draw: random.Random, data: bytes, other: bytes) -> bytes:
    if not data:
        return b"\x01"
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]


def _set(draw: random.Random, data: bytes, other: bytes) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + bytes([draw.choice([0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)])]) + data[at + 1 :]


def _inserted(draw: random.Random, data: bytes, other: bytes) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.choice(SPICE) * draw.choice([1, 1, 1, 2, 50]) + data[at:]


def _cut(draw: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: draw.randrange(len(data) + 1)]


def _without(draw: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    return data[:start] + data[min(end, start + draw.choice([1, 4, 30, len(data)])) :]


def _twice(draw: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    return data[:end] + data[start:end] * draw.choice([1, 1, 2, 20]) + data[end:]


def _spliced(draw: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = sorted(draw.randrange(len(other) + 1) for _ in range(2))
    at = draw.randrange(len(data) + 1)
    return data[:at] + other[start:end] + data[at + draw.choice([0, end - start]) :]


def _word(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """Eight, four or two bytes become a number's, either end first."""
    size = draw.choice([2, 4, 8])
    if len(data) < size:
        return data
    at = draw.randrange(len(data) - size + 1)
    number = draw.choice(NUMBERS) % (1 << 8 * size)
    return data[:at] + number.to_bytes(size, draw.choice(["little", "big"])) + data[at + size :]


_BYTES = [_flipped, _flipped, _set, _inserted, _cut, _without, _twice, _spliced, _word]


def words_of(draw: random.Random, data: bytes, other: bytes, hostile: Sequence[str]) -> bytes:
    """A text with some of its words changed: for hostile ones, each other, words of another text."""
    words, others = _WORDS.findall(data) or [b""], _WORDS.findall(other) or [b""]
    for _ in range(draw.choice([1, 1, 2, 4])):
        at = draw.randrange(len(words))
        choice = draw.randrange(7)
        if choice == 0:
            words[at] = draw.choice(hostile).encode("utf-8", "surrogatepass")
        elif choice == 1:
            words[at] = draw.choice(others)
        elif choice == 2:
            words.insert(at, draw.choice([*others, b"- ", b": ", b"{", b"}", b"[", b"]", b"&a ", b"*a ", b"\n  "]))
        elif choice == 3:
            del words[at : at + draw.choice([1, 1, 3])]
            words = words or [b""]
        elif choice == 4:
            end = min(len(words), at + draw.choice([1, 5, 30]))
            words[at:at] = words[at:end] * draw.choice([1, 2, 10])
        elif choice == 5:
            there = draw.randrange(len(words))
            words[at], words[there] = words[there], words[at]
        else:
            words[at] = str(draw.choice(PLACES)).encode()
    return b"".join(words)


def numbers_of(draw: random.Random, text: str) -> str:
    """A text with one or two of its numbers changed."""
    for _ in range(draw.choice([1, 1, 2])):
        places = list(_NUMBER.finditer(text))
        if places:
            one = draw.choice(places)
            text = text[: one.start()] + str(draw.choice(PLACES)) + text[one.end() :]
    return text


def tree_of(draw: random.Random, tree: Any, hostile: Sequence[Any], others: Sequence[Any]) -> Any:
    """A tree of mappings, lists and scalars with one to three of its places changed; what was there is not."""
    for _ in range(draw.choice([1, 1, 2, 3])):
        tree = _changed(draw, tree, hostile, others)
    return tree


def _changed(draw: random.Random, tree: Any, hostile: Sequence[Any], others: Sequence[Any]) -> Any:
    if not isinstance(tree, (dict, list)) or not tree or draw.random() < 0.1:
        return _instead(draw, tree, hostile, others)
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    key = draw.choice(keys)
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    choice = draw.random()
    if choice < 0.06:
        del copy[key]
    elif choice < 0.1 and isinstance(copy, list):
        copy[key:key] = [tree[key]] * draw.choice([1, 2, 40])
    elif choice < 0.14 and isinstance(copy, dict):
        copy[str(draw.choice(hostile))[:200] if draw.random() < 0.5 else draw.choice(KEYS)] = draw.choice(
            [tree[key], *others]
        )
    elif choice < 0.18 and isinstance(copy, dict):
        copy = {(str(draw.choice(hostile))[:200] if k == key else k): v for k, v in copy.items()}
    else:
        copy[key] = _changed(draw, tree[key], hostile, others)
    return copy


def _instead(draw: random.Random, value: Any, hostile: Sequence[Any], others: Sequence[Any]) -> Any:
    choice = draw.random()
    if isinstance(value, bool) or value is None or choice < 0.3:
        return draw.choice([*hostile, None, True, False])
    if isinstance(value, (int, float)) and choice < 0.9:
        return draw.choice([draw.choice(PLACES), value * draw.choice([-1, 2, 10, 1000]), [value, value], [value] * 3])
    if choice < 0.5:
        return draw.choice(others)
    if choice < 0.6:
        return [value] * draw.choice([0, 1, 2, 3, 5, 64])
    if choice < 0.7:
        return {draw.choice(KEYS): value}
    return draw.choice(hostile)


KEYS = [
    "scope",
    "layers",
    "arg_scope",
    "repeat",
    "reuse",
    "inputs",
    "alias",
    "for",
    "when",
    "use",
    "with",
    "block",
    "ops",
]
KEYS += [
    "clear",
    "params",
    "blocks",
    "scopes",
    "extends",
    "conv2d",
    "normalizer_fn",
    "normalizer_params",
    "shape",
    "tap",
]
KEYS += [
    "is_training",
    "trainable",
    "remat",
    "outputs_collections",
    "variables_collections",
    "default_scope",
    "branches",
]
