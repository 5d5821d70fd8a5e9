"""The cryo-ET standard's dataset document (CETS data model 0.1): regions with tilt series, alignment and annotations.

The model fixes neither what an integer coordinate means nor which way a matrix turns; both are said by the names of
the coordinate systems: ``tomogram-voxel-centres-angstrom`` counts Å from the centre of voxel (0, 0, 0), and matrices
lead from ``particle-angstrom`` to it.
"""

from typing import Any

from tomoset.model import Picks, TiltSeries, Tomogram
from tomoset.release.dataset import ReleaseInfo, RunToRelease

__all__ = ["cets_document", "cets_region"]

Document = dict[str, Any]

_SPACE = "tomogram-voxel-centres-angstrom"
_VOXELS = "tomogram-voxels"
_PARTICLE = "particle-angstrom"


def cets_document(info: ReleaseInfo, regions: list[Document]) -> Document:
    """``dataset.json`` of the standard."""
    return {"name": info.title or info.name, "regions": regions, "averages": []}


def cets_region(run: RunToRelease, *, stack: str, tomogram: str) -> Document:
    """One run: paths are those of the release, from its root."""
    name = run.series.run
    return {
        "id": name,
        "tilt_series": [_tilt_series(run.series, stack)],
        "alignments": [_alignment(run.series)],
        "tomograms": [_tomogram(run.tomogram, tomogram)],
        "annotations": [
            _annotation(picks, f"{name}-{labels.user}-{labels.session}-{picks.object_name}", f"{name}-tomogram")
            for labels in run.labels
            for picks in labels.picks
            if len(picks)
        ],
    }


def _axes(unit: str, kind: str) -> list[Document]:
    return [{"name": axis, "axis_unit": unit, "axis_type": kind} for axis in "xyz"]


def _tilt_series(series: TiltSeries, stack: str) -> Document:
    return {
        "id": f"{series.run}-tilt-series",
        "path": stack,
        "ctf_corrected": False,
        "images": [
            {
                "type": "tilt_image",
                "id": f"{series.run}-{row}",
                "path": stack,
                "section": row,
                "nominal_tilt_angle": float(tilt.nominal_tilt_deg),
                "accumulated_dose": float(tilt.dose_before_e_per_angstrom2),
                "acquisition_order": tilt.acquisition_order,
                "ctf_metadata": None
                if tilt.ctf is None
                else {
                    "defocus_u": float(tilt.ctf.defocus_u_angstrom),
                    "defocus_v": float(tilt.ctf.defocus_v_angstrom),
                    "defocus_angle": float(tilt.ctf.astigmatism_deg),
                    "phase_shift": 0.0,
                    "defocus_handedness": series.defocus_hand or -1,
                },
            }
            for row, tilt in enumerate(series.tilts)
        ],
    }


def _alignment(series: TiltSeries) -> Document:
    """Each image's rotation, then its shift: from the specimen, seen along the beam, to the image, in Å."""
    geometry = series.geometry
    rows = (
        []
        if geometry is None
        else [
            {
                "tilt_image_id": f"{series.run}-{int(row)}",
                "type": "sequence",
                "input": "specimen-angstrom",
                "output": "image-angstrom",
                "sequence": [
                    {"type": "affine", "name": "rotation", "affine": geometry.image_from_specimen[row].tolist()},
                    {
                        "type": "translation",
                        "name": "shift",
                        "translation": [*geometry.shift_xy_angstrom[row].tolist(), 0.0],
                    },
                ],
            }
            for row in series.used
        ]
    )
    return {"tilt_series_id": f"{series.run}-tilt-series", "projection_alignments": rows}


def _tomogram(tomogram: Tomogram, path: str) -> Document:
    z, y, x = tomogram.grid.shape_zyx
    voxel = tomogram.grid.voxel_size_angstrom
    return {
        "id": f"{tomogram.run}-tomogram",
        "path": path,
        "ctf_corrected": tomogram.ctf_corrected,
        "width": x,
        "height": y,
        "depth": z,
        "coordinate_systems": [
            {"name": _VOXELS, "axes": _axes("", "array")},
            {"name": _SPACE, "axes": _axes("angstrom", "space")},
        ],
        "coordinate_transformations": [
            {"type": "scale", "name": "voxel size", "input": _VOXELS, "output": _SPACE, "scale": [voxel] * 3}
        ],
    }


def _annotation(picks: Picks, identity: str, tomogram: str) -> Document:
    shared = {
        "id": identity,
        "source_tomogram_id": tomogram,
        "origin3D": picks.positions_angstrom_xyz.tolist(),
        "coordinate_systems": [{"name": _SPACE, "axes": _axes("angstrom", "space")}],
    }
    if picks.rotations is None:
        return {"type": "point_set_3d", **shared}
    shared["coordinate_systems"] = [
        {"name": _PARTICLE, "axes": _axes("angstrom", "space")},
        {"name": _SPACE, "axes": _axes("angstrom", "space")},
    ]
    return {"type": "point_matrix_set_3d", **shared, "matrix3D": picks.rotations.tolist()}
