"""The product that times are held against."""

import numpy as np

from slimtrain.jobs.peak import product


def test_it_is_a_product_of_as_many_operations_as_it_says():
    multiply, operations = product()
    found = np.asarray(multiply())
    assert operations == 2 * len(found) ** 3 and found.shape == (len(found), len(found)) and found.dtype == np.float32
    assert np.isfinite(found).all() and found.std() > 1
