"""A small project with content, made with the package's own writers and without simulating anything."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tomoset.geometry import Grid
from tomoset.model import (
    CtfEstimate,
    InMemory,
    Labels,
    MotionTrack,
    Picks,
    Silent,
    Tilt,
    TiltSeries,
    Tomogram,
)
from tomoset.web import create_app
from tomoset.workflow.label_files import save_labels
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.project import create_simulated_project
from tomoset.workflow.series_files import save_images, save_series
from tomoset.workflow.tomogram_files import save_tomogram

with warnings.catch_warnings():
    # starlette 1.x prefers a client that is not on every index yet; httpx does the same.
    warnings.filterwarnings("ignore", message="Using `httpx`")
    from fastapi.testclient import TestClient

VOXEL = 12.0
SHAPE_ZYX = (20, 48, 64)
HIDDEN = "truth-that-nobody-may-see"
POSITIONS_VOXEL_XYZ = np.array([[10.0, 20.0, 5.0], [40.5, 30.0, 12.0]])


def _series() -> TiltSeries:
    rng = np.random.default_rng(3)
    tilts = tuple(
        Tilt(
            name=f"TS001_{i}.tif",
            nominal_tilt_deg=angle,
            acquisition_order=i,
            dose_e_per_angstrom2=3.0,
            dose_before_e_per_angstrom2=3.0 * i,
            mean_counts=70.0,
            use=angle < 10.0,
            reason="" if angle < 10.0 else "beam blocked",
            motion=MotionTrack(shift_xy_angstrom=np.array([[0.0, 0.0], [3.0, 4.0]])),
            ctf=CtfEstimate(
                defocus_u_angstrom=35500.0,
                defocus_v_angstrom=34500.0,
                astigmatism_deg=10.0,
                score=0.9,
                resolution_angstrom=14.0,
            ),
        )
        for i, angle in enumerate((-10.0, 0.0, 10.0))
    )
    images = rng.poisson(70.0, (3, 1200, 1500)).astype(np.float32)
    images[:, :600, :750] += 60.0  # bottom left is bright: small y, small x
    return TiltSeries(run="TS001", pixel_size_angstrom=6.0, tilts=tilts, images_nyx=InMemory(images))


def volume_zyx() -> np.ndarray:
    """Value = 100 z + 10 (y in the upper half) + x in the right half, so that every axis and direction shows."""
    z, y, x = np.indices(SHAPE_ZYX)
    return (100.0 * z + 10.0 * (y >= 24) + 1.0 * (x >= 32)).astype(np.float32)


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> ProjectLayout:
    """A project of two runs: TS001 with everything, TS002 with nothing yet."""
    layout = create_simulated_project(
        tmp_path_factory.mktemp("web") / "project", "tiny", overrides=("n_series=2", "title=Zwei <b>Serien</b>")
    )
    series = _series()
    save_images(layout.series("TS001"), series)
    save_series(layout.series("TS001") / "series.json", series)
    grid = Grid(shape_zyx=SHAPE_ZYX, voxel_size_angstrom=VOXEL)
    tomogram = Tomogram(
        run="TS001",
        grid=grid,
        volume_zyx=InMemory(volume_zyx()),
        odd_zyx=InMemory(volume_zyx() * 0),
        tilt_indices=(0, 1),
        geometry=series.nominal_geometry(),
    )
    save_tomogram(layout, tomogram, Silent())
    picks = Picks(
        object_name="apoferritin",
        positions_angstrom_xyz=POSITIONS_VOXEL_XYZ * VOXEL,
        scores=np.array([0.9, 0.5]),
    )
    save_labels(layout, Labels(run="TS001", user="templates", session="1", voxel_size_angstrom=VOXEL, picks=(picks,)))
    _write_truth(layout)
    return layout


def _write_truth(layout: ProjectLayout) -> None:
    truth = layout.truth("TS001")
    truth.mkdir(parents=True)
    (truth / "truth.json").write_text(json.dumps({"secret": HIDDEN}), "utf-8")
    (layout.root / "score.json").write_text(json.dumps({"secret": HIDDEN}), "utf-8")


@pytest.fixture(scope="session")
def client_of() -> Callable[[Path], TestClient]:
    """What a browser on this machine sees of a project."""
    return lambda root: TestClient(create_app(root), base_url="http://127.0.0.1:8000")


@pytest.fixture(scope="session")
def client(layout: ProjectLayout, client_of: Callable[[Path], TestClient]) -> TestClient:
    """The browser on the shared project, which no test changes."""
    return client_of(layout.root)
