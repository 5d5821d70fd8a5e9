"""What masks hide must neither be aligned on nor be measured as a marker."""

from dataclasses import replace

import numpy as np
import pytest
from alignment_phantom import make_phantom

from tomoset.alignment import AlignmentParams, align
from tomoset.alignment.preprocess import prepare_views
from tomoset.benchmark.processing import alignment_residual
from tomoset.errors import AlignmentError
from tomoset.model import Resources, Silent, TiltSeries

TILTS = np.arange(-45.0, 46.0, 4.5)


def dirty_series() -> tuple[TiltSeries, object]:
    """A series with the same strong pattern at the same place of every camera image, and masks that cover it."""
    phantom = make_phantom(9, tilt_deg=TILTS, density=1.5)
    images = phantom.series.images_nyx.array
    n, ny, nx = images.shape
    masks = np.zeros((n, ny // 8, nx // 8), dtype=bool)
    masks[:, 1:8, 2:10] = True
    y, x = np.mgrid[8:64, 16:80]
    pattern = 1.0 + 0.5 * np.sin(y / 3.0) * np.cos(x / 4.0)
    images[:, 8:64, 16:80] *= 0.4 * pattern
    return replace(phantom.series, masks_nyx=masks), phantom.truth


def rms(aligned: TiltSeries, truth) -> float:
    residual, _ = alignment_residual(aligned.geometry, truth)
    return float(np.sqrt(np.mean(np.square(residual).sum(axis=1))))


def test_a_pattern_that_stays_on_the_camera_misleads_only_without_its_mask():
    series, truth = dirty_series()
    assert rms(align(series, AlignmentParams(), resources=Resources(), progress=Silent()), truth) < 5.0
    unmasked = replace(series, masks_nyx=None)
    try:
        misled = rms(align(unmasked, AlignmentParams(), resources=Resources(), progress=Silent()), truth)
    except AlignmentError:
        return
    assert misled > 20.0


def test_masked_pixels_say_nothing():
    series, _ = dirty_series()
    views = prepare_views(series, 10.0, Silent())
    shuffled = series.images_nyx.array.copy()
    shuffled[:, 8:64, 16:80] = 7.0
    again = prepare_views(replace(series, images_nyx=type(series.images_nyx)(shuffled)), 10.0, Silent())
    np.testing.assert_allclose(again.images_nyx, views.images_nyx, atol=2e-5)


def test_places_are_shown_inside_the_image_and_beside_the_mask():
    series, _ = dirty_series()
    views = prepare_views(series, 10.0, Silent())
    places = np.array([[40.0, 30.0], [120.0, 30.0], [3.0, 100.0], [40.0, 70.0]])
    shown = views.shows(np.broadcast_to(places[:, None], (4, views.n, 2)), 5.0)
    np.testing.assert_array_equal(shown.all(axis=1), [False, True, False, True])
    np.testing.assert_array_equal(shown.any(axis=1), shown.all(axis=1))


def test_a_view_that_is_masked_all_over_is_named():
    series, _ = dirty_series()
    series.masks_nyx[3] = True
    with pytest.raises(AlignmentError, match=r"tilt-03 shows the specimen on 0% .*mark the tilt as unused"):
        align(series, AlignmentParams(), resources=Resources(), progress=Silent())
