"""Arg scopes: declarations entered one inside the other, checked where they are written.

As TF-Slim's `arg_scope`, but for two things: an op that does not exist and an argument that a listed op
does not take are problems where the scope is written, and every entry remembers its place, so that one
which nothing consumed can be named.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from slimtrain.config.arguments import Env, Resolver, Setting
from slimtrain.config.catalog import SCOPABLE_WORDS, Catalog, Definition
from slimtrain.config.nodes import Key, Node
from slimtrain.config.params import Params, bound, substitute
from slimtrain.errors import Mark, did_you_mean, one_of

MAX_DEPTH = 32
MAX_WRITTEN = 200_000
SIZE_OF_ONE = 20
"""Values for which writing out a scope or block counts besides its own."""


@dataclass(frozen=True)
class Scopes:
    """The named scopes of a config, its params, what was declared so far (place to text), and the resolver's lists."""

    named: Mapping[str, Node]
    params: Params
    declared: dict[Mark, str]
    resolver: Resolver


def enter(scopes: Scopes, declaration: Node | None, env: Env, inside: tuple[str, ...] = ()) -> Env:
    """The settings active inside a declaration: one entry, or a list entered in order (later is inner)."""
    if declaration is None or declaration.value is None:
        return env
    entries = declaration.sequence if declaration.sequence is not None else (declaration,)
    for entry in entries:
        env = _entry(scopes, entry, env, inside)
    return env


def _entry(scopes: Scopes, entry: Node, env: Env, inside: tuple[str, ...]) -> Env:
    if entry.text is not None:
        return _use(scopes, entry, entry, None, env, inside)
    if name := entry.get("use"):
        _only(scopes, entry, ("use", "with"))
        return _use(scopes, entry, name, entry.get("with"), env, inside)
    if flag := entry.get("clear"):
        _only(scopes, entry, ("clear",))
        return {} if _flag(scopes, flag) else env
    if entry.get("ops"):
        return _defaults(scopes, entry, env)
    hint = "write {ops: [...], argument: value}, {use: NAME, with: {...}}, NAME or {clear: true}"
    scopes.resolver.problem("arg_scope", f"an entry names its ops, got {entry.what}", hint, entry.mark)
    return env


def _only(scopes: Scopes, entry: Node, allowed: tuple[str, ...]) -> None:
    for key in entry.mapping or {}:
        if key not in allowed:
            scopes.resolver.problem("arg_scope", f"no '{key}' beside '{allowed[0]}'", mark=key.mark)


def _flag(scopes: Scopes, flag: Node) -> bool:
    if flag.value is not True:
        scopes.resolver.problem("arg_scope", f"clear: expected true, got {flag.what}", mark=flag.mark)
    return flag.value is True


def _use(scopes: Scopes, site: Node, name: Node, given: Node | None, env: Env, inside: tuple[str, ...]) -> Env:
    body = scopes.named.get(name.text or "")
    where = f"arg_scope {name.text}"
    if body is None:
        there = f"named scopes are {one_of(scopes.named)}" if scopes.named else "declare it under 'scopes'"
        hint = did_you_mean(name.text or "", scopes.named) or there
        scopes.resolver.problem("arg_scope", f"no named scope {name.what}", hint, name.mark)
        return env
    if name.text in inside or len(inside) >= MAX_DEPTH:
        scopes.resolver.problem(where, "enters itself: " + " -> ".join((*inside, str(name.text))), mark=name.mark)
        return env
    problems = scopes.resolver.problems
    values = bound(where, body, given, site, scopes.params, problems)
    declaration = _declaration(scopes, body)
    if declaration is None:
        scopes.resolver.problem(
            where, "holds no 'arg_scope'", "write a list of entries, or {params, arg_scope}", body.mark
        )
        return env
    if values is None:
        return env
    return enter(scopes, written_out(scopes.resolver, declaration, values), env, (*inside, str(name.text)))


def written_out(resolver: Resolver, body: Node, values: Params) -> Node:
    """A scope's or block's body with its params put in; a problem, once, where all of them together grow too large."""
    before = resolver.sizes[-1] if resolver.sizes else 0
    if before > MAX_WRITTEN:
        return Node(None, body.mark)
    filled = substitute(body, values, resolver.problems)
    after = before + filled.size + SIZE_OF_ONE
    resolver.sizes.append(after)
    if after > MAX_WRITTEN:
        what = f"blocks and scopes of more than {MAX_WRITTEN} values, all written out"
        resolver.problem("model", what, "repeat less", body.mark)
    return filled


def _declaration(scopes: Scopes, body: Node) -> Node | None:
    """The entries of a named scope: the body itself, or what stands beside its params."""
    if body.mapping is None or any(k in body.mapping for k in ("ops", "use", "clear")):
        return body
    _only(scopes, body, ("arg_scope", "params"))
    return body.get("arg_scope")


def _defaults(scopes: Scopes, entry: Node, env: Env) -> Env:
    mapping = entry.mapping or {}
    ops = _ops(scopes, mapping[Key("ops", entry.mark)])
    changed = dict(env)
    for key, node in mapping.items():
        if key == "ops" or not _taken(scopes, key, ops):
            continue
        scopes.declared.setdefault(key.mark, f"'{key}' for {', '.join(o.name for o in ops)}")
        for op in ops:
            outer = changed.get((op.name, str(key)))
            hidden = (*outer.hidden, outer) if outer else ()
            changed[(op.name, str(key))] = Setting(node, key.mark, hidden)
    return changed


def scopable(catalog: Catalog) -> dict[str, Definition]:
    """The ops that an arg scope may list."""
    return {**catalog.kind("layer"), **catalog.kind("join")}


def _ops(scopes: Scopes, listed: Node) -> list[Definition]:
    known = scopable(scopes.resolver.catalog)
    found = []
    for op in listed.sequence if listed.sequence is not None else (listed,):
        definition = known.get(op.text or "")
        if definition is None:
            hint = did_you_mean(op.text or "", known)
            scopes.resolver.problem("arg_scope", f"no op {op.what}", hint, op.mark)
        elif definition not in found:
            found.append(definition)
    return found


def _taken(scopes: Scopes, key: Key, ops: list[Definition]) -> bool:
    without = [op for op in ops if key not in op.parameters and key not in SCOPABLE_WORDS]
    for op in without:
        hint = did_you_mean(key, (*op.parameters, *SCOPABLE_WORDS))
        scopes.resolver.problem("arg_scope", f"'{key}' is not an argument of {op.name}", hint, key.mark)
    return not without
