"""Hot and dead pixels are found and mended; healthy ones are left alone."""

import numpy as np
import pytest

from tomoset.motion import find_defects, replace_defects


def healthy(rng, counts=50.0):
    y, x = np.mgrid[:200, :160]
    return rng.poisson(counts * (1 + 0.3 * np.sin(x / 15) * np.cos(y / 20))).astype(np.float32)


def test_hot_dead_and_infinite_pixels_are_found():
    rng = np.random.default_rng(0)
    image = healthy(rng)
    hot, dead, unknown = [(5, 7), (0, 0), (100, 159), (101, 159)], [(50, 60)], [(120, 30)]
    for place in hot:
        image[place] += 120
    image[dead[0]] = -20
    image[unknown[0]] = np.nan
    assert sorted(map(tuple, np.argwhere(find_defects(image, 6.0)))) == sorted(hot + dead + unknown)


def test_a_bad_column_is_found():
    image = healthy(np.random.default_rng(1))
    image[:, 80] += 100
    found = find_defects(image, 6.0)
    assert found[:, 80].all()
    assert found.sum() == 200


def test_poisson_noise_has_next_to_no_defects():
    assert find_defects(healthy(np.random.default_rng(2)), 6.0).sum() <= 2


def test_a_flat_image_has_no_defects():
    assert not find_defects(np.zeros((20, 20), np.float32), 6.0).any()


def test_defects_become_the_mean_of_sound_neighbours():
    frame = np.full((20, 20), 3.0, np.float32)
    defect = np.zeros((20, 20), bool)
    defect[4:7, 4:7] = True
    defect[0, 19] = True
    frame[defect] = np.nan
    replace_defects(frame, defect)
    np.testing.assert_allclose(frame, 3.0)


@pytest.mark.parametrize("size", [7, 9])
def test_the_middle_of_a_large_defect_gets_the_image_mean(size):
    frame = np.full((30, 30), 2.0, np.float32)
    defect = np.zeros((30, 30), bool)
    defect[10 : 10 + size, 10 : 10 + size] = True
    frame[defect] = 1e6
    replace_defects(frame, defect)
    np.testing.assert_allclose(frame, 2.0)
