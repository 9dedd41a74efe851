"""Where items stand: what is told of scopes that are taken, and of end points that are not there."""


def test_a_scope_that_is_taken_names_its_first_place(problems):
    layers = "model:\n  layers:\n  - flatten: {scope: a}\n  - flatten: {scope: a}\n"
    assert problems(layers) == [
        "net.yaml:4:15: flatten 'a': scope 'a' is taken at net.yaml:3:5; "
        "add 'reuse: true' to share its variables, or give it another scope"
    ]


def test_inputs_are_looked_for_from_the_inside_out(plan):
    layers = """
- flatten: {scope: a}
- scope: b
  layers:
  - flatten: {scope: a}
  - flatten: {scope: near, inputs: a}
  - flatten: {scope: far, inputs: /a}
"""
    found = {layer.path: layer.words.inputs for layer in plan(layers).layers()}
    assert found["b/near"] == ("b/a",) and found["b/far"] == ("a",)
