from slimtrain.data.randomness import bits


def test_each_seed_purpose_and_index_has_a_stream_of_its_own() -> None:
    keys = [(0, "a", 0), (0, "a", 0, 1), (0, "a", 0, 2), (1, "a", 0), (0, "b", 0), (0, "a", 1), (2**64 - 1, "a", 0)]
    assert len({bits(*key).random_raw() for key in keys}) == len(keys)


def test_a_stream_is_the_same_each_time_and_on_each_numpy() -> None:
    assert bits(7, "order", 3).random_raw(2).tolist() == bits(7, "order", 3).random_raw(2).tolist()
    assert bits(7, "order", 3).random_raw(2).tolist() == PINNED


PINNED = [5730216303567928123, 5769095382373829342]
