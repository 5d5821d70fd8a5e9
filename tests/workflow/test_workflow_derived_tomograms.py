"""Denoised and deconvolved tomograms: made when the recipe asks, beside the reconstructed one."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import RecipeError
from tomoset.geometry import Grid, TiltGeometry
from tomoset.model import CtfEstimate, InMemory, Optics, Resources, Silent, Tilt, TiltSeries, Tomogram
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.recipe import load_recipe, read_recipe, recipe_text
from tomoset.workflow.series_files import save_images, save_series
from tomoset.workflow.steps import STEPS, StepContext, steps_for
from tomoset.workflow.tomogram_files import load_tomogram, reconstructed_kind, save_tomogram

QUICK = ("denoising.patch=16", "denoising.tile=32", "denoising.training.steps=3", "denoising.network.channels=[4,8]")


def names(recipe):
    return [step.name for step in steps_for(recipe)]


def test_nothing_is_denoised_or_deconvolved_unasked() -> None:
    recipe = load_recipe("tiny")
    assert not {"denoise", "deconvolve"} & set(names(recipe))
    assert "denoising" not in recipe_text(recipe)
    asked = load_recipe("tiny", ("denoising={}", "deconvolution.strength=0.5"))
    order = names(asked)
    assert order.index("reconstruct") < order.index("denoise") < order.index("deconvolve") < order.index("annotate")
    again = read_recipe(recipe_text(asked))
    assert (again.denoising, again.deconvolution) == (asked.denoising, asked.deconvolution)


def test_what_cannot_follow_is_refused() -> None:
    with pytest.raises(RecipeError, match="half_sets = true"):
        load_recipe("tiny", ("denoising={}", "reconstruction.half_sets=false"))
    with pytest.raises(RecipeError, match=r"needs a \[denoising\] table"):
        load_recipe("tiny", ("annotation.tomogram=denoised",))
    with pytest.raises(RecipeError, match="'raw' or 'denoised'"):
        load_recipe("tiny", ("annotation.tomogram=smooth",))
    assert load_recipe("tiny", ("denoising={}", "annotation.tomogram=denoised")).annotation.tomogram == "denoised"


@pytest.fixture
def context(tmp_path: Path) -> StepContext:
    """A project whose run has a series and a tomogram with halves, reconstructed by SIRT."""
    recipe = load_recipe("tiny", (*QUICK, "deconvolution={}", "reconstruction.method=sirt"))
    layout = ProjectLayout(tmp_path)
    geometry = TiltGeometry(y_tilt_deg=[0.0], z_rot_deg=[85.0], shift_xy_angstrom=[[0.0, 0.0]])
    ctf = CtfEstimate(
        defocus_u_angstrom=3e4, defocus_v_angstrom=3e4, astigmatism_deg=0.0, score=1.0, resolution_angstrom=10.0
    )
    tilt = Tilt(
        name="a.tif", nominal_tilt_deg=0.0, acquisition_order=0, dose_e_per_angstrom2=3.0,
        dose_before_e_per_angstrom2=0.0, mean_counts=1.0, ctf=ctf,
    )  # fmt: skip
    series = TiltSeries(
        run="TS001", pixel_size_angstrom=5.0, tilts=(tilt,), images_nyx=InMemory(np.ones((1, 8, 8), np.float32)),
        optics=Optics(), geometry=geometry,
    )  # fmt: skip
    folder = layout.series("TS001")
    folder.mkdir(parents=True)
    save_images(folder, series)
    save_series(folder / "series.json", series)
    grid = Grid(shape_zyx=(16, 32, 40), voxel_size_angstrom=recipe.reconstruction.voxel_size_angstrom)
    odd, even = (InMemory(v.astype(np.float32)) for v in np.random.default_rng(1).normal(size=(2, *grid.shape_zyx)))
    tomogram = Tomogram(
        run="TS001", grid=grid, volume_zyx=odd, odd_zyx=odd, even_zyx=even, kind="sirt", tilt_indices=(0,),
        geometry=geometry,
    )  # fmt: skip
    save_tomogram(layout, tomogram, Silent())
    return StepContext(layout=layout, recipe=recipe, run="TS001", resources=Resources(), progress=Silent())


@pytest.mark.parametrize(("step", "kind"), [("denoise", "denoised"), ("deconvolve", "deconv")])
def test_a_step_writes_its_kind_beside_the_reconstructed_one(context: StepContext, step: str, kind: str) -> None:
    execute = next(each.execute for each in STEPS if each.name == step)
    written = execute(context)
    assert all(path.exists() for path in written)
    voxel = context.recipe.reconstruction.voxel_size_angstrom
    made = load_tomogram(context.layout, "TS001", voxel, kind)
    raw = load_tomogram(context.layout, "TS001", voxel, "sirt")
    assert made.kind == kind
    assert made.grid == raw.grid
    assert made.contrast == "dark"
    assert made.odd_zyx is None
    assert reconstructed_kind(context.layout, "TS001", voxel) == "sirt"
    if step == "denoise":
        assert set(made.diagnostics or {}) == {"denoise.half_map_before_angstrom", "denoise.half_map_after_angstrom"}
        values = made.volume_zyx.read()
        execute(context)
        np.testing.assert_array_equal(load_tomogram(context.layout, "TS001", voxel, kind).volume_zyx.read(), values)
        reseeded = dataclasses.replace(context, recipe=dataclasses.replace(context.recipe, seed=2))
        execute(reseeded)
        assert np.abs(load_tomogram(context.layout, "TS001", voxel, kind).volume_zyx.read() - values).max() > 0
