"""The torch path, on torch's CPU device, against the compiled kernels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tomoset.errors import ParameterError
from tomoset.model import Resources, Silent
from tomoset.reconstruction import ReconstructionParams, reconstruct, torch_projection
from tomoset.reconstruction.back_projection import back_project_blocks, frame_around, pack_views, say_nothing
from tomoset.reconstruction.sirt import Iterations, iterate_blocks, subsets_of

TILT = np.linspace(-63, 60, 11)
SHAPE = (19, 150, 41)


def relative_rms(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def packed(oversampling=1, seed=0):
    views = np.random.default_rng(seed).standard_normal((TILT.size, 50 * oversampling, SHAPE[1])).astype(np.float32)
    frame = frame_around(SHAPE, TILT, views.shape[1], oversampling)
    return pack_views(views, frame), frame


@pytest.mark.parametrize("oversampling", [1, 3])
@pytest.mark.parametrize("memory_gib", [1.0, 1e-9])
def test_back_projection_agrees_with_the_kernel(oversampling, memory_gib):
    rows, frame = packed(oversampling)
    expected, found = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    back_project_blocks(rows[1:], frame, TILT, expected, y_first=64, workers=1, report=say_nothing)
    torch_projection.back_project_blocks_on(
        "cpu", rows[1:], frame, TILT, found, y_first=64, memory_gib=memory_gib, report=say_nothing
    )
    assert not found[:, :64].any()
    assert relative_rms(found, expected) < 1e-6


@pytest.mark.parametrize("size", [None, 3])
def test_iterations_agree_with_the_kernels(size, monkeypatch):
    monkeypatch.setattr(torch_projection, "_ENTRIES_AT_ONCE", 5000)  # several groups of planes
    rows, frame = packed()
    seen = np.ones_like(rows)
    seen[:, ::2, :30] = 0
    iterations = Iterations(
        frame=frame, y_tilt_deg=TILT, subsets=subsets_of(TILT, size), number=3, relaxation=0.7
    )  # fmt: skip
    expected, found = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    squares = iterate_blocks(
        rows, seen, iterations, expected, y_first=0, blocks_a_job=2, workers=1, report=say_nothing
    )  # fmt: skip
    others = torch_projection.iterate_blocks_on(
        "cpu", rows, seen, iterations, found, y_first=0, memory_gib=1e-9, report=say_nothing
    )
    assert relative_rms(found, expected) < 1e-5
    np.testing.assert_allclose(others, squares, rtol=1e-5)


def test_torch_projection_is_the_transpose_of_its_back_projection():
    rows, frame = packed()
    projector = torch_projection._Projector.of("cpu", frame, TILT, (SHAPE[0], SHAPE[2]))
    every = torch.arange(TILT.size)
    table = torch.from_numpy(rows[0]).flatten(0, 1)
    voxels = torch.randn((SHAPE[0] * SHAPE[2], 64), generator=torch.Generator().manual_seed(1))
    one = (projector.forward(voxels, every).flatten(0, 1).double() * table).sum()
    other = (voxels.double() * projector.back(table, slice(0, SHAPE[0]), every)).sum()
    assert abs(one - other) < 1e-6 * voxels.norm() * table.norm() * np.sqrt(TILT.size)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_named(bead_series):
    series = bead_series(beads_xyz=np.zeros(3), shape_yx=(48, 48), tilts=[-30.0, 0.0, 30.0])
    params = ReconstructionParams(thickness_angstrom=80.0, ctf_correction="none")
    for method in ("wbp", "sirt"):
        with pytest.raises(ParameterError, match="expected a GPU"):
            reconstruct(
                series, replace(params, method=method), resources=Resources(device="cuda"), progress=Silent()
            )  # fmt: skip


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")
@pytest.mark.parametrize("method", ["wbp", "sirt", "sart"])
def test_a_gpu_gives_the_same_tomogram(bead_series, method):
    series = bead_series(beads_xyz=[[63.0, -41.0, 27.0]], axis_deg=85.0, shifts=20.0)
    params = ReconstructionParams(thickness_angstrom=240.0, ctf_correction="none", method=method, iterations=4)
    found, expected = (
        reconstruct(series, params, resources=Resources(device=device), progress=Silent()).volume_zyx.read()
        for device in ("cuda", "cpu")
    )
    assert relative_rms(found, expected) < 1e-4
