"""A small dataset of two runs, made without a microscope."""

import numpy as np

from tomoset.geometry import Grid, TiltGeometry, random_rotations
from tomoset.model import (
    CtfEstimate,
    InMemory,
    Labels,
    PickableObject,
    PickFlag,
    Picks,
    Segmentation,
    Tilt,
    TiltSeries,
    Tomogram,
)
from tomoset.release import (
    FORMATS,
    Author,
    DatasetFacts,
    Funding,
    ReleaseInfo,
    RunToRelease,
    SampleFacts,
)

N, PIXEL, VOXEL, SHAPE = 7, 5.0, 10.0, (24, 40, 48)

OBJECTS = (
    PickableObject(name="apoferritin", label=1, radius_angstrom=60, symmetry="O", identifier="GO:0070288"),
    PickableObject(name="bsa", label=2, radius_angstrom=35, identifier="UniProtKB:P02769"),
    PickableObject(name="liposome", label=3, radius_angstrom=25, is_particle=False, identifier="GO:0016020"),
)

FACTS = DatasetFacts(
    authors=(
        Author(
            name="Ada B. Lovelace",
            orcid="0000-0002-1825-0097",
            email="ada@example.org",
            affiliation="Institute of Engines",
            country="GB",
            corresponding=True,
            primary=True,
        ),
        Author(
            name="Charles Babbage",
            email="cb@example.org",
            affiliation="Institute of Engines",
            country="GB",
            principal_investigator=True,
        ),
    ),
    description="Two small tomograms for tests.",
    keywords=("cryo-ET",),
    funding=(Funding(agency="Society", grant="S-1"),),
    sample=SampleFacts(kind="in_vitro", organism="Equus caballus", taxonomy_id=9796, preparation="PBS"),
    publications=("10.1038/s41592-000-0000-0",),
    related_entries=("EMPIAR-10045", "EMD-1234"),
    release_date="2026-10-01",
)


def a_run(name: str, seed: int) -> RunToRelease:
    rng = np.random.default_rng(seed)
    tilt_deg = np.linspace(-45, 45, N)
    order = np.argsort(np.argsort(np.abs(tilt_deg) + 0.1 * (tilt_deg < 0)))
    tilts = tuple(
        Tilt(
            name=f"{name}_{i}.tif",
            nominal_tilt_deg=float(tilt_deg[i]),
            acquisition_order=int(order[i]),
            dose_e_per_angstrom2=3.0,
            dose_before_e_per_angstrom2=3.0 * int(order[i]),
            mean_counts=6.0,
            use=i != 1,
            reason="blocked" if i == 1 else "",
            ctf=CtfEstimate(
                defocus_u_angstrom=35000.0 + i,
                defocus_v_angstrom=34000.0,
                astigmatism_deg=20.0,
                score=0.3,
                resolution_angstrom=9.0,
            ),
        )
        for i in range(N)
    )
    geometry = TiltGeometry(
        y_tilt_deg=tilt_deg, z_rot_deg=np.full(N, 85.0), shift_xy_angstrom=rng.normal(0, 20, (N, 2))
    )
    series = TiltSeries(
        run=name,
        pixel_size_angstrom=PIXEL,
        tilts=tilts,
        images_nyx=InMemory(rng.normal(6, 2, (N, 64, 72)).astype(np.float32)),
        nominal_tilt_axis_deg=85.3,
        geometry=geometry,
        defocus_hand=1,
    )
    grid = Grid(shape_zyx=SHAPE, voxel_size_angstrom=VOXEL)
    tomogram = Tomogram(
        run=name,
        grid=grid,
        volume_zyx=InMemory(rng.normal(0, 3, SHAPE).astype(np.float32)),
        tilt_indices=tuple(i for i in range(N) if i != 1),
        geometry=geometry,
        ctf_corrected=True,
    )
    return RunToRelease(series=series, tomogram=tomogram, labels=(some_labels(name, rng),))


def some_labels(name: str, rng: np.random.Generator) -> Labels:
    far = (np.array(SHAPE[::-1]) - 1) * VOXEL
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[4:8, 5:20, 6:30] = 3
    apoferritin = Picks(
        object_name="apoferritin",
        positions_angstrom_xyz=rng.uniform(0, far, (5, 3)),
        rotations=random_rotations(5, rng),
        scores=rng.uniform(1, 9, 5),
        score_kind="log-likelihood ratio",
        false_discovery_rates=np.full(5, 0.01),
        flags=np.full(5, PickFlag.NONE),
    )
    bsa = Picks(object_name="bsa", positions_angstrom_xyz=rng.uniform(0, far, (3, 3)))
    return Labels(
        run=name,
        user="tomoset",
        session="templates",
        voxel_size_angstrom=VOXEL,
        picks=(apoferritin, bsa),
        segmentations=(Segmentation(name="semantic", mask_zyx=InMemory(mask), voxel_size_angstrom=VOXEL),),
        method="Template matching",
    )


def an_info(**changes: object) -> ReleaseInfo:
    known: dict[str, object] = {
        "name": "small-set",
        "title": "A small dataset for tests",
        "version": "1.0.0",
        "licence": "CC0-1.0",
        "citation": "Lovelace & Babbage 2026",
        "methods": "Everything was done well.",
        "objects": OBJECTS,
        "formats": FORMATS,
        "rejected": {"TS9": "crystalline ice"},
        "is_simulated": False,
        "facts": FACTS,
        "splits": {"TS2": "test"},
    }
    return ReleaseInfo(**(known | changes))  # type: ignore[arg-type]
