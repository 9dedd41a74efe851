"""Convolutions as calls into the native part."""

from kernels import arguments, by

from slimtrain.net.geometry import geometry


def test_a_native_way_is_one_call_that_holds_the_geometry():
    shapes = geometry((1, 8, 8, 4), (3, 2, 2, 6), (2, 1), "SAME", (1, 3), 2)
    made = by("onednn", "weights_gradient", shapes).lower(*arguments("weights_gradient", shapes)).as_text()
    assert made.count("custom_call") == 1 and "@slimtrain_onednn_weights_gradient" in made
    told = {"stride": "[2, 1]", "rate": "[1, 3]", "before": "[0, 1]", "after": "[1, 2]"}
    assert all(f"{name} = dense<{values}>" in made for name, values in told.items()) and "groups = 2 : i64" in made
