"""Makes the fixtures of this folder with real TensorFlow (2.12.1): `python make.py`, by hand.

Images, TFRecord files as TF-Slim's converters write them, and what TensorFlow makes of arrays and images.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf

HERE = Path(__file__).parent
v1 = tf.compat.v1


def photo(height, width, channels=3, seed=0):
    """A smooth image with some noise, in bytes."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows / (3 + c) + seed) + np.cos(columns / (4 + 2 * c) - seed) for c in range(channels)]
    image = 127 + 50 * np.stack(waves, -1) + draw.normal(0, 8, (height, width, channels))
    return np.clip(image, 0, 255).astype(np.uint8)


def feature(value):
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def example(encoded, form, label, height, width):
    """As `dataset_utils.image_to_tfexample` of TF-Slim."""
    named = {
        "image/encoded": encoded,
        "image/format": form,
        "image/class/label": label,
        "image/height": height,
        "image/width": width,
    }
    features = tf.train.Features(feature={name: feature(value) for name, value in named.items()})
    return tf.train.Example(features=features).SerializeToString()


def write(name, count, first):
    """A file of `count` examples: JPEG, PNG, raw, JPEG, ...; labels from 0 to 2."""
    with tf.io.TFRecordWriter(str(HERE / name)) as writer:
        for number in range(first, first + count):
            height, width = 9 + number, 14 - number
            image = photo(height, width, seed=number)
            form = ("jpeg", "png", "raw")[number % 3]
            encode = {
                "jpeg": lambda i: tf.io.encode_jpeg(i, quality=95).numpy(),
                "png": lambda i: tf.io.encode_png(i).numpy(),
            }
            encoded = encode[form](image) if form in encode else image.tobytes()
            writer.write(example(encoded, form.encode(), number % 3, height, width))


def arithmetic():
    """Names of arrays to what TensorFlow computes."""
    image = photo(13, 17, seed=5)
    real = image.astype(np.float32)
    unit = (real - 40) / 150  # some values are below 0 and above 1, as after random_brightness
    found = {"image": image, "unit": unit}
    for size in ((5, 8), (13, 17), (29, 31), (1, 1)):
        key = f"{size[0]}x{size[1]}"
        found[f"bilinear/{key}"] = v1.image.resize_bilinear(real[None], size, align_corners=False)[0].numpy()
        found[f"nearest/{key}"] = v1.image.resize_nearest_neighbor(real[None], size, align_corners=False)[0].numpy()
    for fraction in (0.875, 0.5, 0.3, 1.0):
        found[f"central/{fraction}"] = tf.image.central_crop(image, fraction).numpy()
    for size in ((8, 8), (20, 21), (10, 20), (13, 17), (12, 18)):
        found[f"crop_to/{size[0]}x{size[1]}"] = tf.image.resize_with_crop_or_pad(image, *size).numpy()
    for delta in (-0.1, 0.07):
        found[f"brightness/{delta}"] = tf.image.adjust_brightness(unit, delta).numpy()
    for factor in (0.2, 1.0, 1.8):
        found[f"contrast/{factor}"] = tf.image.adjust_contrast(real, factor).numpy()
    for factor in (0.0, 0.5, 1.0, 1.5):
        found[f"saturation/{factor}"] = tf.image.adjust_saturation(unit, factor).numpy()
    for delta in (-0.2, 0.0, 0.13, 0.5):
        found[f"hue/{delta}"] = tf.image.adjust_hue(unit, delta).numpy()
    found["standardized"] = tf.image.per_image_standardization(real).numpy()
    found["jpeg"] = tf.io.decode_jpeg((HERE / "photo.jpg").read_bytes(), dct_method="INTEGER_ACCURATE").numpy()
    return found


def crops(height, width, count=4000):
    """Deciles of share of area, aspect, top and left of TF-Slim's distorted crops."""
    box, found = tf.constant([[[0.0, 0.0, 1.0, 1.0]]]), []
    for seed in range(count):
        begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
            (height, width, 3), box, seed=(seed, 7), min_object_covered=0.1, aspect_ratio_range=(0.75, 1.33),
            area_range=(0.05, 1.0), max_attempts=100, use_image_if_no_bounding_boxes=True)  # fmt: skip
        top, left, tall, wide = *begin[:2].numpy(), *size[:2].numpy()
        found.append((tall * wide / (height * width), wide / tall, top / height, left / width))
    return np.quantile(np.array(found), np.linspace(0.1, 0.9, 9), axis=0).astype(np.float32)


if __name__ == "__main__":
    (HERE / "photo.jpg").write_bytes(tf.io.encode_jpeg(photo(24, 31, seed=9), quality=95).numpy())
    (HERE / "gray.png").write_bytes(tf.io.encode_png(photo(6, 5, channels=1, seed=3)).numpy())
    for shard in range(2):
        write(f"flowers_train_{shard:05d}-of-00002.tfrecord", 4, 4 * shard)
    write("flowers_validation_00000-of-00001.tfrecord", 3, 1)
    (HERE / "labels.txt").write_text("0:daisy\n1:rose\n2:tulip\n")
    np.savez_compressed(HERE / "arithmetic.npz", **arithmetic(), crops=crops(300, 400))
