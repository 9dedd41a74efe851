"""Which tensors are the model's."""

from slimtrain.store.tensorflow.names import averaged, roles

SLOTS = ["Momentum", "RMSProp", "RMSProp_1", "RMSProp_2", "Adam", "Adam_1", "Adagrad", "Adadelta", "Ftrl_1"]


def test_roles():
    model = ["conv1/weights", "Adam/weights", "conv1/BatchNorm/moving_mean", "conv1/BatchNorm/moving_mean/biased"]
    slots = [f"conv1/weights/{slot}" for slot in SLOTS]
    others = ["conv1/weights/MyOwnRule", "train/conv1/weights/Momentum", "beta1_power", "train/beta2_power_1"]
    averages = ["conv1/weights/ExponentialMovingAverage"]
    found = roles([*model, *slots, *others, *averages, "global_step", "train/global_step"])
    assert sorted(n for n, role in found.items() if role == "model") == sorted(model)
    assert sorted(n for n, role in found.items() if role == "optimizer") == sorted([*slots, *others])
    assert [n for n, role in found.items() if role == "average"] == averages
    assert sorted(n for n, role in found.items() if role == "step") == ["global_step", "train/global_step"]


def test_averages_take_the_place_of_their_variables():
    found = roles(
        ["w", "w/ExponentialMovingAverage", "only/ExponentialMovingAverage", "b", "global_step", "w/Momentum"]
    )
    assert averaged(found) == {"w": "w/ExponentialMovingAverage", "b": "b", "only": "only/ExponentialMovingAverage"}
