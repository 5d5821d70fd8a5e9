"""The portal's metadata documents, one function a class.

Field names, types and words are those of schema version 2.0.0 (metadata_files) of the portal's backend. A field that
nobody has said anything about is left out; where the schema requires one, its value says ``unknown``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tomoset.model import Labels, PickableObject, TiltSeries, Tomogram
from tomoset.release.dataset import ReleaseInfo
from tomoset.release.facts import Author, DatasetFacts

__all__ = [
    "AnnotationFile",
    "annotation_document",
    "dataset_document",
    "deposition_document",
    "frames_document",
    "object_identity",
    "release_time",
    "run_document",
    "tilt_series_document",
    "tomogram_document",
]

Document = dict[str, Any]

_METHODS = {"wbp": "WBP", "sirt": "SIRT", "sart": "SART"}
_PROCESSING = {"denoised": "denoised", "deconv": "filtered"}
_UNNAMED = "GO:0005575"
"""Gene Ontology's root of cellular components: an object for which nobody has given an identifier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationFile:
    """One file of an annotation: its format, its path from the portal's root and its shape in the portal's words."""

    path: str
    format: str
    shape: str


def release_time(facts: DatasetFacts) -> datetime:
    """When the dataset becomes public: midnight UTC of the day that was said, or of today."""
    if facts.release_date:
        return datetime.fromisoformat(facts.release_date).replace(tzinfo=UTC)
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _stamp(facts: DatasetFacts) -> Document:
    return {"deposition_id": facts.portal_deposition_id, "last_updated_at": release_time(facts).timestamp()}


def _dates(facts: DatasetFacts) -> Document:
    day = release_time(facts).date().isoformat()
    return {"deposition_date": day, "release_date": day, "last_modified_date": day}


def _authors(authors: Sequence[Author]) -> list[Document]:
    return [
        _said(
            {
                "name": author.name,
                "ORCID": author.orcid,
                "email": author.email,
                "affiliation_name": author.affiliation,
                "primary_author_status": author.primary,
                "corresponding_author_status": author.corresponding,
            }
        )
        for author in authors
    ]


def _said(table: Document) -> Document:
    """The table without what nobody has said."""
    return {key: value for key, value in table.items() if value not in ("", None, [], {})}


def _cross_references(facts: DatasetFacts) -> Document:
    return _said(
        {
            "publications": ", ".join(facts.publications),
            "related_database_entries": ", ".join(facts.related_entries),
        }
    )


def dataset_document(info: ReleaseInfo) -> Document:
    """``dataset_metadata.json``."""
    facts, sample = info.facts, info.facts.sample
    document = {
        "dataset_identifier": facts.portal_dataset_id,
        "dataset_title": info.title or info.name,
        "dataset_description": facts.description or info.title or info.name,
        "authors": _authors(facts.authors),
        "dates": _dates(facts),
        "sample_type": sample.kind,
        # Cryo-electron tomography in the Experimental Factor Ontology; no developmental stage applies to a mixture.
        "assay": {"id": "EFO:0010961", "name": "cryo-electron tomography"},
        "development_stage": {"id": "unknown", "name": "unknown"},
        "disease": {"id": "PATO:0000461", "name": "normal"},
        "key_photos": {"snapshot": "Images/snapshot.png", "thumbnail": "Images/thumbnail.png"},
        "organism": _said({"name": sample.organism, "taxonomy_id": sample.taxonomy_id}) if sample.organism else None,
        "cell_strain": {"id": "unknown", "name": sample.strain} if sample.strain else None,
        "sample_preparation": sample.preparation,
        "grid_preparation": sample.grid_preparation,
        "other_setup": sample.other_setup,
        "funding": [_said({"funding_agency_name": each.agency, "grant_id": each.grant}) for each in facts.funding],
        "cross_references": _cross_references(facts),
    }
    return _said(document) | _stamp(facts) | {"dataset_identifier": facts.portal_dataset_id}


def deposition_document(info: ReleaseInfo) -> Document:
    """``deposition_metadata.json``."""
    facts = info.facts
    return (
        _said(
            {
                "deposition_title": info.title or info.name,
                "deposition_description": facts.description or info.title or info.name,
                "deposition_types": ["dataset", "tomogram", "annotation"],
                "authors": _authors(facts.authors),
                "dates": _dates(facts),
                "key_photos": {"snapshot": "Images/snapshot.png", "thumbnail": "Images/thumbnail.png"},
                "cross_references": _cross_references(facts),
            }
        )
        | _stamp(facts)
        | {"deposition_identifier": facts.portal_deposition_id}
    )


def run_document(run: str, labels: Sequence[Labels], info: ReleaseInfo) -> Document:
    """``run_metadata.json``: which objects were identified in the run."""
    named = {picks.object_name for each in labels for picks in each.picks if len(picks)}
    return {
        "run_name": run,
        "identified_objects": [
            {"object_id": object_identity(item.identifier), "object_name": item.name}
            for item in info.objects
            if item.name in named
        ],
        "last_updated_at": release_time(info.facts).timestamp(),
    }


def frames_document(series: TiltSeries, info: ReleaseInfo) -> Document:
    """``frames_metadata.json``: dose and order of every movie; ``accumulated_dose`` is what came before it."""
    return {
        "is_gain_corrected": False,
        "frames": [
            {
                "acquisition_order": tilt.acquisition_order,
                "accumulated_dose": float(tilt.dose_before_e_per_angstrom2),
                "exposure_dose": float(tilt.dose_e_per_angstrom2),
                "is_gain_corrected": False,
                "path": tilt.name,
            }
            for tilt in series.tilts
        ],
    } | _stamp(info.facts)


def tilt_series_document(series: TiltSeries, info: ReleaseInfo, *, stack: str, raw_tlt: str) -> Document:
    """``tiltseries_metadata.json``."""
    facts, instrument = info.facts, info.facts.instrument
    n, height, width = series.images_nyx.shape
    tilts = np.sort(series.nominal_tilt_deg)
    camera = {
        "manufacturer": instrument.camera_manufacturer,
        "model": instrument.camera_model,
        "acquire_mode": instrument.camera_mode,
    }
    return {
        "acceleration_voltage": round(series.optics.voltage_kv * 1000),
        "spherical_aberration_constant": series.optics.cs_mm,
        "camera": _said(camera),
        "data_acquisition_software": instrument.acquisition_software,
        "microscope": {
            "manufacturer": instrument.microscope_manufacturer,
            "model": instrument.microscope_model,
        },
        "microscope_optical_setup": {
            "energy_filter": instrument.energy_filter,
            "phase_plate": instrument.phase_plate or None,
            "image_corrector": instrument.image_corrector or None,
        },
        "is_aligned": False,
        "pixel_spacing": series.pixel_size_angstrom,
        "size": {"x": width, "y": height, "z": n},
        "tilt_axis": series.nominal_tilt_axis_deg,
        "tilt_range": {"min": float(tilts[0]), "max": float(tilts[-1])},
        "tilt_step": float(np.median(np.diff(tilts))) if n > 1 else 0.0,
        "tilting_scheme": _scheme(series),
        "tilt_series_quality": _quality(series),
        "total_flux": float(sum(tilt.dose_e_per_angstrom2 for tilt in series.tilts)),
        "frames_count": n,
        "run_name": series.run,
        "mrc_file": stack,
        "raw_tlt_path": raw_tlt,
        "tilt_alignment_software": "tomoset",
        "aligned_tiltseries_binning": 1,
        "per_section_parameter": [
            _said(
                {
                    "z_index": i,
                    "frame_acquisition_order": tilt.acquisition_order,
                    "raw_angle": float(tilt.nominal_tilt_deg),
                    **_section_defocus(series, i),
                }
            )
            for i, tilt in enumerate(series.tilts)
        ],
    } | _stamp(facts)


def _section_defocus(series: TiltSeries, row: int) -> Document:
    estimate = series.tilts[row].ctf
    if estimate is None:
        return {}
    return {
        "major_defocus": float(estimate.defocus_u_angstrom),
        "minor_defocus": float(estimate.defocus_v_angstrom),
        "astigmatic_angle": float(estimate.astigmatism_deg),
        "max_resolution": float(estimate.resolution_angstrom),
        "cross_correlation": float(estimate.score),
    }


def _scheme(series: TiltSeries) -> str:
    """In words, from the order of the exposures."""
    in_time = series.nominal_tilt_deg[np.argsort([tilt.acquisition_order for tilt in series.tilts])]
    step = np.diff(in_time)
    if len(in_time) < 3:
        return "single images"
    if np.all(step > 0) or np.all(step < 0):
        return "continuous"
    start = in_time[0]
    away = np.abs(in_time - start)
    if np.all(np.diff(away) >= -0.5 * np.median(np.abs(np.diff(np.sort(in_time))))):
        return f"dose-symmetric from {start:g} degrees"
    return f"bidirectional from {start:g} degrees"


def _quality(series: TiltSeries) -> int:
    """From 5 (every tilt usable) down to 1, by the share of tilts in use: the portal's scale without its eye."""
    share = len(series.used) / len(series.tilts)
    return int(np.clip(np.ceil(5 * share - 1e-9), 1, 5))


def tomogram_document(tomogram: Tomogram, info: ReleaseInfo, *, mrc: str, zarr: str, alignment: str) -> Document:
    """``tomogram_metadata.json``."""
    z, y, x = tomogram.grid.shape_zyx
    processing = _PROCESSING.get(tomogram.kind, "raw")
    return {
        "authors": _authors(info.facts.authors),
        "dates": _dates(info.facts),
        "fiducial_alignment_status": "NON_FIDUCIAL",
        "is_visualization_default": processing == "raw",
        "offset": {"x": 0, "y": 0, "z": 0},
        "processing": processing,
        "processing_software": "tomoset",
        "reconstruction_method": _METHODS.get(tomogram.kind, "WBP"),
        "reconstruction_software": "tomoset",
        "align_software": "tomoset",
        "tomogram_version": 1,
        "voxel_spacing": tomogram.grid.voxel_size_angstrom,
        "size": {"x": x, "y": y, "z": z},
        "ctf_corrected": tomogram.ctf_corrected,
        "run_name": tomogram.run,
        "mrc_file": mrc,
        "omezarr_dir": zarr,
        "alignment_metadata_path": alignment,
        "affine_transformation_matrix": np.eye(4).tolist(),
    } | _stamp(info.facts)


def object_identity(identifier: str) -> str:
    """Identifier in the portal's form: GO, UniProtKB or PDB; the ontology's root for an object without one."""
    if identifier.startswith(("GO:", "UniProtKB:", "PDB-", "EMD-", "CHEBI:")):
        return identifier
    return _UNNAMED


def annotation_document(
    labels: Labels,
    item: PickableObject,
    info: ReleaseInfo,
    files: Sequence[AnnotationFile],
    *,
    count: int,
    alignment: str,
    number: int,
) -> Document:
    """``NAME-VERSION.json`` of one class of one set of labels; ``count`` is how many of it were labeled."""
    truth = labels.user == "ground-truth"
    automated = labels.user == "tomoset" or truth
    return {
        "annotation_ingest_id": f"{item.name.lower()}-{labels.user.lower()}-{labels.session.lower()}-{number}",
        "annotation_method": labels.method or f"{labels.user} {labels.session}",
        "annotation_object": {"id": object_identity(item.identifier), "name": item.name},
        "annotation_software": "tomoset" if automated else None,
        "authors": _authors(info.facts.authors),
        "dates": _dates(info.facts),
        "method_type": _method_type(labels, simulated_truth=truth),
        "ground_truth_status": truth,
        "is_curator_recommended": False,
        "object_count": count,
        "version": "1.0",
        "files": [
            {"path": f.path, "format": f.format, "shape": f.shape, "is_visualization_default": i == 0}
            for i, f in enumerate(files)
        ],
        "alignment_metadata_path": alignment,
    } | _stamp(info.facts)


def _method_type(labels: Labels, *, simulated_truth: bool) -> str:
    if simulated_truth:
        return "simulated"
    if labels.session.startswith("consensus"):
        return "hybrid"
    return "automated" if labels.user == "tomoset" else "manual"
