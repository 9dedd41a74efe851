"""Makes the checkpoints of this folder with real TensorFlow, and `values.npz` with what is in them.

The tests read what this wrote and never run it. By hand, in an environment of its own:

    python3.11 -m venv /tmp/tf
    /tmp/tf/bin/pip install tensorflow-cpu==2.12.1 tf-slim==1.1.0 'numpy<1.24' cramjam
    /tmp/tf/bin/python tests/store/tensorflow/make.py

TensorFlow compresses no blocks itself; `compressed/` is a table written anew with compressed ones, and TensorFlow reads
it back here, so that the tests' file is one that it takes.
"""

import os
import shutil
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim as slim
from rewrite import rewritten

HERE = Path(__file__).parent
V1, V2 = tf.train.SaverDef.V1, tf.train.SaverDef.V2
KINDS = ("float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "uint16", "bool")
V1_KINDS = ("float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "bool")


def net(optimizer, ema=False):
    """A small TF-Slim net, trained a step, so that slots, shadows and the step are there."""
    inputs = tf.constant(np.random.RandomState(0).randn(4, 6, 6, 2), tf.float32)
    with slim.arg_scope(
        [slim.conv2d], normalizer_fn=slim.batch_norm, normalizer_params={"zero_debias_moving_mean": True}
    ):
        hidden = slim.conv2d(inputs, 3, [3, 3], scope="Net/conv1")
    logits = slim.fully_connected(slim.flatten(hidden), 5, activation_fn=None, scope="Net/logits")
    loss = tf.losses.sparse_softmax_cross_entropy(tf.constant([0, 1, 2, 3]), logits)
    step = tf.train.get_or_create_global_step()
    train = slim.learning.create_train_op(loss, optimizer, global_step=step)
    if not ema:
        return train
    average = tf.train.ExponentialMovingAverage(0.5, step)
    with tf.control_dependencies([train]):
        return average.apply(slim.get_model_variables()[:-1])


def momentum():
    return net(tf.train.MomentumOptimizer(0.1, 0.9))


def adam_with_averages():
    return net(tf.train.AdamOptimizer(0.1), ema=True)


def rmsprop():
    return net(tf.train.RMSPropOptimizer(0.1, momentum=0.9))


def kinds(names):
    """A variable of each dtype, of several ranks, one without elements, and a text."""
    for kind in names:
        number = KINDS.index(kind)
        random = np.random.RandomState(number)
        shape = ((), (3,), (2, 3), (2, 1, 3))[number % 4]
        value = random.randint(0, 2 if kind == "bool" else 100, shape)
        value = -value if kind in ("int8", "int64") else value
        tf.Variable(tf.cast(value, kind), name=f"kinds/{kind}", dtype=kind)
    tf.Variable(tf.zeros([0, 3]), name="kinds/empty")
    return tf.no_op()


def partitioned():
    """One matrix in three parts by rows, one in two by columns, one vector in parts of different sizes."""
    for name, shape, axis, parts in (("rows", (7, 3), 0, 3), ("columns", (2, 4), 1, 2), ("vector", (5,), 0, 2)):
        with tf.variable_scope(f"parts/{name}", partitioner=tf.fixed_size_partitioner(parts, axis)):
            tf.get_variable("weights", shape, initializer=tf.random_normal_initializer(seed=3))
    return tf.no_op()


def spread():
    """Two devices, so that a sharded saver writes two files."""
    for device in (0, 1):
        with tf.device(f"/cpu:{device}"):
            for index in range(2):
                tf.Variable(tf.random.normal([3, 2], seed=index), name=f"device{device}/{index}")
    return tf.no_op()


def save(found, case, make, version, words=False, **more):
    """Runs `make` once, saves, and adds every variable's value by its name in the file."""
    folder = HERE / "files" / case
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tf.Graph().as_default():
        tf.set_random_seed(7)
        run = make()
        if words:
            tf.Variable("words", name="kinds/text")
        saver = tf.train.Saver(write_version=version, save_relative_paths=True, **more)
        with tf.Session(config=tf.ConfigProto(device_count={"CPU": 2})) as session:
            session.run(tf.global_variables_initializer())
            session.run(run)
            path = saver.save(session, str(folder / "model.ckpt"), global_step=3, write_meta_graph=False)
    add(found, case, path)


def add(found, case, path):
    """What TensorFlow reads from a checkpoint; the forms of one (`_v1`, `_compressed`) hold the same values."""
    for name, value in read_by_tensorflow(path).items():
        known = found.setdefault(f"{case.split('_')[0]}:{name}", value)
        assert known.dtype == value.dtype and (known == value).all(), (case, name)


def read_by_tensorflow(path):
    """Every tensor of numbers, partitioned ones joined, bfloat16 as float32."""
    kinds = tf.train.load_checkpoint(path).get_variable_to_dtype_map()
    wanted = {name: kind for name, kind in kinds.items() if kind != tf.string}
    with tf.Graph().as_default(), tf.Session() as session:
        whole = [""] * len(wanted)
        values = session.run(
            tf.raw_ops.RestoreV2(
                prefix=path, tensor_names=list(wanted), shape_and_slices=whole, dtypes=list(wanted.values())
            )
        )
    wide = [v.astype("float32") if v.dtype == tf.bfloat16.as_numpy_dtype else v for v in values]
    return dict(zip(wanted, wide, strict=True))


def compressed(found):
    """A V2 index and a V1 file with compressed blocks."""
    for case, name in (("momentum", "model.ckpt-3.index"), ("momentum_v1", "model.ckpt-3")):
        target = HERE / "files" / f"{case}_compressed"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(HERE / "files" / case, target)
        (target / name).write_bytes(rewritten((target / name).read_bytes()))
        add(found, target.name, str(target / "model.ckpt-3"))


def main():
    tf.disable_eager_execution()
    found = {}
    for version, end in ((V2, ""), (V1, "_v1")):
        save(found, f"momentum{end}", momentum, version)
        save(found, f"partitioned{end}", partitioned, version)
        save(found, f"sharded{end}", spread, version, sharded=True)
    save(found, "averages", adam_with_averages, V2)
    save(found, "rmsprop", rmsprop, V2)
    save(found, "kinds", lambda: kinds(KINDS), V2, words=True)
    save(found, "kinds_v1", lambda: kinds(V1_KINDS), V1)
    compressed(found)
    np.savez_compressed(HERE / "values.npz", **found)


if __name__ == "__main__":
    main()
