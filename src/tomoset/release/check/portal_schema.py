"""The CryoET Data Portal's metadata files as JSON Schema: pinned facts of its schema 2.0.0, never fetched."""

from tomoset.release.check.schema_words import (
    COUNT,
    DAY,
    FLAG,
    INTEGER,
    NUMBER,
    TEXT,
    WORDS,
    Schema,
    document,
    list_of,
    one_of,
    or_null,
)

__all__ = ["PORTAL"]

_PUBLICATION = r"(EMPIAR-\d{5}|EMD-\d{4,5}|(doi:)?10\.\d{4,9}/[-._;()/:a-zA-Z0-9]+|PDB-[0-9a-zA-Z]{4,8})"
_TILT: Schema = {"type": "number", "minimum": -90, "maximum": 90}
_ID: Schema = {
    "type": "string",
    "pattern": r"^(GO:\d{7}|UniProtKB:[A-Z0-9]+|PDB-[0-9a-zA-Z]{4,8}|EMD-\d{4,5}|CHEBI:\d+)$",
}
_AUTHOR = document(
    {"name": WORDS},
    {
        "ORCID": {"type": "string", "pattern": r"^\d{4}-\d{4}-\d{4}-\d{3}[\dX]$"},
        "email": {"type": "string", "pattern": "^[^@ ]+@[^@ ]+$"},
        "affiliation_name": TEXT,
        "affiliation_address": TEXT,
        "affiliation_identifier": TEXT,
        "primary_author_status": FLAG,
        "corresponding_author_status": FLAG,
        "kaggle_id": TEXT,
    },
)
_AUTHORS = list_of(_AUTHOR, least=1)
_DATES = document({"deposition_date": DAY, "release_date": DAY, "last_modified_date": DAY})
_PHOTOS = document({"snapshot": TEXT, "thumbnail": TEXT})
_SIZE = document({"x": COUNT, "y": COUNT, "z": COUNT})
_XYZ = document({"x": NUMBER, "y": NUMBER, "z": NUMBER})
_MATRIX4 = list_of(list_of(NUMBER, 4, 4), 4, 4)
_CROSS = document(
    {},
    {
        "publications": {"type": "string", "pattern": rf"^{_PUBLICATION}(\s*,\s*{_PUBLICATION})*$"},
        "related_database_entries": {
            "type": "string",
            "pattern": r"^(EMPIAR-\d{5}|EMD-\d{4,5}|PDB-\w{4,8})(\s*,\s*(EMPIAR-\d{5}|EMD-\d{4,5}|PDB-\w{4,8}))*$",
        },
        "related_database_links": TEXT,
        "dataset_citations": TEXT,
    },
)
_STAMP: Schema = {"deposition_id": COUNT, "last_updated_at": NUMBER}
_NAMED: Schema = {"id": TEXT, "name": WORDS}

_DATASET = document(
    _STAMP
    | {
        "assay": document({"name": WORDS, "id": {"type": "string", "pattern": r"^EFO:\d{7}$"}}),
        "authors": _AUTHORS,
        "dataset_description": WORDS,
        "dataset_identifier": COUNT,
        "dataset_title": WORDS,
        "dates": _DATES,
        "development_stage": document(_NAMED),
        "disease": document(_NAMED),
        "key_photos": _PHOTOS,
        "sample_type": one_of(
            "cell_line",
            "in_silico",
            "in_vitro",
            "organelle",
            "organism",
            "organoid",
            "other",
            "primary_cell_culture",
            "tissue",
            "virus",
        ),
    },
    {
        "organism": document({"name": WORDS}, {"taxonomy_id": {"type": "integer", "minimum": 1}}),
        "cell_strain": document({"name": WORDS}, {"id": TEXT}),
        "cell_type": document({"name": WORDS}, {"id": TEXT}),
        "cell_component": document({"name": WORDS}, {"id": TEXT}),
        "tissue": document({"name": WORDS}, {"id": TEXT}),
        "sample_preparation": TEXT,
        "grid_preparation": TEXT,
        "other_setup": TEXT,
        "funding": list_of(document({}, {"funding_agency_name": TEXT, "grant_id": TEXT})),
        "cross_references": _CROSS,
    },
)
_DEPOSITION = document(
    _STAMP
    | {
        "authors": _AUTHORS,
        "dates": _DATES,
        "deposition_description": WORDS,
        "deposition_identifier": COUNT,
        "deposition_title": WORDS,
        "deposition_types": list_of(one_of("annotation", "dataset", "tomogram"), least=1),
        "key_photos": _PHOTOS,
    },
    {"cross_references": _CROSS, "tag": TEXT},
)
_RUN = document(
    {"run_name": WORDS},
    {
        "last_updated_at": NUMBER,
        "identified_objects": list_of(
            document({"object_id": _ID, "object_name": WORDS}, {"object_state": TEXT, "object_description": TEXT})
        ),
    },
)
_FRAMES = document(
    _STAMP,
    {
        "dose_rate": NUMBER,
        "is_gain_corrected": FLAG,
        "frames_acquisition_file": TEXT,
        "frames": list_of(
            document(
                {"acquisition_order": COUNT},
                {
                    "accumulated_dose": {"type": "number", "minimum": 0},
                    "exposure_dose": {"type": "number", "exclusiveMinimum": 0},
                    "is_gain_corrected": FLAG,
                    "path": WORDS,
                },
            ),
            least=1,
        ),
    },
)
_TILT_SERIES = document(
    _STAMP
    | {
        "acceleration_voltage": {"type": "integer", "minimum": 20000},
        "camera": document({"manufacturer": WORDS, "model": WORDS}, {"acquire_mode": TEXT}),
        "data_acquisition_software": WORDS,
        "is_aligned": FLAG,
        "microscope": document({"manufacturer": WORDS, "model": WORDS}),
        "microscope_optical_setup": document(
            {"energy_filter": WORDS}, {"phase_plate": or_null(TEXT), "image_corrector": or_null(TEXT)}
        ),
        "pixel_spacing": {"type": "number", "minimum": 0.001},
        "size": _SIZE,
        "spherical_aberration_constant": {"type": "number", "minimum": 0},
        "tilt_axis": {"type": "number", "minimum": -360, "maximum": 360},
        "tilt_range": document(
            {
                "min": {"type": "number", "minimum": -90, "maximum": 90},
                "max": {"type": "number", "minimum": -90, "maximum": 90},
            }
        ),
        "tilt_series_quality": {"type": "integer", "minimum": 1, "maximum": 5},
        "tilt_step": {"type": "number", "minimum": 0, "maximum": 90},
        "tilting_scheme": WORDS,
        "total_flux": {"type": "number", "minimum": 0},
    },
    {
        "aligned_tiltseries_binning": NUMBER,
        "binning_from_frames": NUMBER,
        "ctf_path": TEXT,
        "frames_count": COUNT,
        "mrc_file": TEXT,
        "omezarr_dir": TEXT,
        "raw_tlt_path": TEXT,
        "run_name": WORDS,
        "scales": list_of(_SIZE),
        "related_empiar_entry": {"type": "string", "pattern": r"^EMPIAR-\d{5}$"},
        "tilt_alignment_software": TEXT,
        "per_section_parameter": list_of(
            document(
                {"z_index": COUNT, "frame_acquisition_order": COUNT},
                {
                    "raw_angle": _TILT,
                    "major_defocus": NUMBER,
                    "minor_defocus": NUMBER,
                    "astigmatic_angle": {"type": "number", "minimum": -180, "maximum": 180},
                    "phase_shift": NUMBER,
                    "max_resolution": {"type": "number", "minimum": 0},
                    "cross_correlation": {"type": "number", "minimum": -1, "maximum": 1},
                },
            )
        ),
    },
)
_ALIGNMENT = document(
    _STAMP,
    {
        "alignment_type": one_of("LOCAL", "GLOBAL"),
        "format": one_of("IMOD", "ARETOMO3"),
        "method_type": one_of("fiducial_based", "patch_tracking", "projection_matching", "simulated", "undefined"),
        "is_portal_standard": FLAG,
        "affine_transformation_matrix": _MATRIX4,
        "tilt_offset": NUMBER,
        "x_rotation_offset": NUMBER,
        "volume_dimension": _XYZ,
        "volume_offset": _XYZ,
        "per_section_alignment_parameters": list_of(
            document(
                {"z_index": COUNT},
                {
                    "tilt_angle": _TILT,
                    "volume_x_rotation": NUMBER,
                    "in_plane_rotation": list_of(list_of(NUMBER, 2, 2), 2, 2),
                    "x_offset": NUMBER,
                    "y_offset": NUMBER,
                    "beam_tilt": NUMBER,
                },
            ),
            least=1,
        ),
        "alignment_path": TEXT,
        "tilt_path": TEXT,
        "tiltx_path": TEXT,
        "tiltseries_path": TEXT,
        "files": list_of({}),
    },
)
_TOMOGRAM = document(
    _STAMP
    | {
        "authors": _AUTHORS,
        "dates": _DATES,
        "fiducial_alignment_status": one_of("FIDUCIAL", "NON_FIDUCIAL"),
        "is_visualization_default": FLAG,
        "offset": document({"x": INTEGER, "y": INTEGER, "z": INTEGER}),
        "processing": one_of("raw", "filtered", "denoised"),
        "reconstruction_method": one_of("SART", "Fourier Space", "SIRT", "WBP", "Unknown"),
        "reconstruction_software": WORDS,
        "tomogram_version": NUMBER,
        "voxel_spacing": {"type": "number", "minimum": 0.001},
    },
    {
        "size": _SIZE,
        "scales": list_of(_SIZE),
        "mrc_file": TEXT,
        "omezarr_dir": TEXT,
        "run_name": WORDS,
        "ctf_corrected": FLAG,
        "processing_software": TEXT,
        "align_software": TEXT,
        "affine_transformation_matrix": _MATRIX4,
        "alignment_metadata_path": TEXT,
        "key_photo": _PHOTOS,
        "neuroglancer_config_path": TEXT,
        "cross_references": _CROSS,
    },
)
_ANNOTATION = document(
    _STAMP
    | {
        "annotation_ingest_id": {"type": "string", "pattern": r"^[a-z0-9]+(-[a-z0-9]+)*-[0-9]+$"},
        "annotation_method": WORDS,
        "annotation_object": document({"id": _ID, "name": WORDS}, {"state": TEXT, "description": TEXT}),
        "authors": _AUTHORS,
        "dates": _DATES,
        "method_type": one_of("manual", "automated", "hybrid", "simulated"),
    },
    {
        "ground_truth_status": FLAG,
        "is_curator_recommended": FLAG,
        "object_count": COUNT,
        "confidence": document(
            {},
            {
                "precision": {"type": "number", "minimum": 0, "maximum": 100},
                "recall": {"type": "number", "minimum": 0, "maximum": 100},
                "ground_truth_used": TEXT,
            },
        ),
        "annotation_software": or_null(TEXT),
        "annotation_publications": {"type": "string", "pattern": rf"^{_PUBLICATION}(\s*,\s*{_PUBLICATION})*$"},
        "method_links": list_of(document({"link": WORDS, "link_type": WORDS}, {"custom_name": TEXT})),
        "version": {"type": "string", "pattern": r"^\d+(\.\d+)?$"},
        "files": list_of(
            document(
                {
                    "format": one_of("ndjson", "zarr", "mrc", "glb"),
                    "path": WORDS,
                    "shape": one_of(
                        "SegmentationMask", "OrientedPoint", "Point", "InstanceSegmentation", "TriangularMesh"
                    ),
                    "is_visualization_default": FLAG,
                }
            ),
            least=1,
        ),
        "alignment_metadata_path": TEXT,
    },
)

PORTAL: dict[str, Schema] = {
    "dataset_metadata.json": _DATASET,
    "deposition_metadata.json": _DEPOSITION,
    "run_metadata.json": _RUN,
    "frames_metadata.json": _FRAMES,
    "tiltseries_metadata.json": _TILT_SERIES,
    "alignment_metadata.json": _ALIGNMENT,
    "tomogram_metadata.json": _TOMOGRAM,
    "annotation": _ANNOTATION,
}
"""Schema of each metadata file by its name; annotations' files have names of their own."""
