"""The ideal observer's d′ against white noise, where it is known, and against what a search measures."""

from dataclasses import replace

import annotation_phantom as phantom
import numpy as np
import pytest

from tomoset.annotation import TemplateParams, detectability, match_templates, verdict_of
from tomoset.annotation.templates.detectability import template_norms
from tomoset.annotation.templates.preparation import Prepared
from tomoset.annotation.templates.transfer import box_frequencies
from tomoset.annotation.templates.whitening import WhitenedVolume
from tomoset.errors import GeometryError, ParameterError
from tomoset.model import Resources, Silent
from tomoset.structures import potential_map

VOXEL = 40.0 / 3.0


def test_in_white_noise_it_is_the_molecules_energy_over_the_noise():
    """No optics, no wedge: d′² = Σ t² / σ² over the voxels of the molecule, band-limited."""
    template = phantom.templates(("proteasome",))[0]
    n, sigma = 32, 0.4
    k = np.linalg.norm(box_frequencies(n, VOXEL), axis=-1)
    weight = np.where((k > 0) & (k < 0.5 / VOXEL), 1 / sigma, 0).astype(np.float32)
    volume = np.zeros((n, n, n), np.float32)
    norms = template_norms(Prepared(WhitenedVolume(volume, VOXEL, (n, n, n)), weight), template)
    fine = potential_map(template.structure, VOXEL / 4)
    padded = np.zeros((4 * n,) * 3)
    m = len(fine.volume_zyx)
    padded[:m, :m, :m] = fine.volume_zyx
    spectrum = np.fft.fftn(padded) / 64  # in voxels of the search
    axis = np.fft.fftfreq(4 * n, VOXEL / 4)
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    band = (radius > 0.5 / (n * VOXEL)) & (radius < 0.5 / VOXEL)
    energy = np.square(np.abs(spectrum[band])).sum() / n**3
    assert norms.mean() == pytest.approx(np.sqrt(energy) / sigma, rel=0.05)
    assert np.ptp(norms) < 0.1 * norms.mean()


@pytest.fixture(scope="module")
def world():
    return phantom.make(3, {"apoferritin": 8, "proteasome": 2, "pp7-vlp": 1}, (72, 120, 120))


PLAIN = TemplateParams()


def found(world, params=PLAIN, **options):
    return detectability(
        world.tomogram, world.series, world.templates, params, resources=Resources(), progress=Silent(), **options
    )


def test_it_is_the_norm_that_a_search_measures(world):
    labels = match_templates(
        world.tomogram,
        world.series,
        world.templates,
        TemplateParams(alignment_envelope_angstrom=0.0),
        resources=Resources(),
        progress=Silent(),
    )
    stated = found(
        world,
        TemplateParams(alignment_envelope_angstrom=0.0),
        signal_amplitude=labels.notes["signal_amplitude"],
    )
    for item in stated:
        measured = labels.notes[f"{item.object_name}_norm"] * labels.notes["signal_amplitude"]
        # the search's noise shrinks as particles are subtracted
        assert 0.8 * item.d_prime < measured < 1.6 * item.d_prime
        assert item.verdict == "yes"


def test_an_alignment_error_hides_the_small_first(world):
    good, bad = found(world), found(world, TemplateParams(alignment_envelope_angstrom=15.0))
    for a, b in zip(good, bad, strict=True):
        assert b.d_prime < 0.7 * a.d_prime
        assert b.alignment_error_angstrom == 15.0
        assert a.d_prime_least <= a.d_prime <= a.d_prime_most
    assert good[0].alignment_error_angstrom == 3.0
    told = replace(world.series, diagnostics={"alignment.error_angstrom": 15.0 * np.sqrt(2)})
    again = found(replace(world, series=told))
    np.testing.assert_allclose([a.d_prime for a in again], [b.d_prime for b in bad])


def test_the_verdict_has_two_limits():
    assert [verdict_of(d) for d in (5.9, 6.0, 11.9, 12.0)] == [
        "no",
        "network or consensus",
        "network or consensus",
        "yes",
    ]


def test_what_cannot_be_judged_is_refused(world):
    with pytest.raises(ParameterError, match="classes"):
        detectability(world.tomogram, world.series, (), TemplateParams(), resources=Resources(), progress=Silent())
    with pytest.raises(ParameterError, match="amplitude"):
        found(world, signal_amplitude=0.0)
    with pytest.raises(GeometryError, match="geometry"):
        found(replace(world, tomogram=replace(world.tomogram, tilt_indices=())))
