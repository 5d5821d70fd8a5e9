"""EMPIAR's deposition (empiar-depositor 1.6) and the cryo-ET standard's dataset (0.1) as JSON Schema: pinned facts."""

from tomoset.release.check.schema_words import (
    COUNT,
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

__all__ = ["CETS", "EMPIAR"]

_PERSON_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": r"^[^0-9!\"£$%^&*()]+$"}
_EMPIAR_AUTHOR = document(
    {
        "name": {"type": "string", "pattern": r"^\('[^0-9!\"£$%^&*()]+', '[^0-9!\"£$%^&*()]+'\)$"},
        "order_id": COUNT,
    },
    {"author_orcid": or_null({"type": "string", "pattern": r"^(\d{4}-){3}\d{3}(\d|X)$"})},
)
_EMPIAR_PERSON = document(
    {
        "first_name": _PERSON_NAME,
        "last_name": _PERSON_NAME,
        "organization": {"type": "string", "minLength": 1, "maxLength": 255},
        "email": {"type": "string", "pattern": "^[^@ ]+@[^@ ]+$"},
        "country": {"type": "string", "pattern": "^[A-Z]{2}$"},
    },
    {"author_orcid": or_null(TEXT), "middle_name": or_null(TEXT)},
)
_CODE: Schema = {"type": "string", "pattern": r"^\('(T\d+|OT)', '[^']*'\)$"}
EMPIAR: Schema = document(
    {
        "title": {"type": "string", "minLength": 10, "maxLength": 255},
        "release_date": one_of("RE", "EP", "HP", "HO"),
        "experiment_type": {"type": "integer", "minimum": 1, "maximum": 9},
        "authors": list_of(_EMPIAR_AUTHOR, least=1),
        "corresponding_author": _EMPIAR_PERSON,
        "principal_investigator": list_of(_EMPIAR_PERSON, least=1),
        "imagesets": list_of(
            document(
                {
                    "name": WORDS,
                    "directory": WORDS,
                    "category": _CODE,
                    "header_format": _CODE,
                    "data_format": _CODE,
                    "num_images_or_tilt_series": {"type": "integer", "minimum": 1},
                    "frames_per_image": {"type": "integer", "minimum": 1},
                    "voxel_type": _CODE,
                },
                {
                    "frame_range_min": or_null(INTEGER),
                    "frame_range_max": or_null(INTEGER),
                    "pixel_width": or_null(NUMBER),
                    "pixel_height": or_null(NUMBER),
                    "image_width": or_null(INTEGER),
                    "image_height": or_null(INTEGER),
                    "details": or_null(TEXT),
                },
            ),
            least=1,
        ),
        "citation": list_of(
            {
                "type": "object",
                "required": ["authors", "published", "j_or_nj_citation", "title"],
                "properties": {
                    "authors": list_of(_EMPIAR_AUTHOR, least=1),
                    "published": FLAG,
                    "j_or_nj_citation": FLAG,
                    "title": WORDS,
                },
            },
            least=1,
        ),
    },
    {"cross_references": list_of(document({"name": {"type": "string", "pattern": r"^EMD-\d{4,}$"}}))},
)

_IMAGE: Schema = {"type": "object", "required": ["id", "section"], "properties": {"id": WORDS, "section": COUNT}}
_MATRIX3 = list_of(list_of(NUMBER, 3, 3), 3, 3)
_AXES = list_of(document({"name": WORDS}, {"axis_unit": TEXT, "axis_type": one_of("space", "array")}), least=1)
_SYSTEMS = list_of(document({"name": WORDS, "axes": _AXES}))
_STEP: Schema = {
    "type": "object",
    "required": ["type"],
    "properties": {
        "type": one_of("identity", "mapAxis", "translation", "scale", "affine", "sequence"),
        "affine": _MATRIX3,
        "translation": list_of(NUMBER, 2, 3),
        "scale": list_of(NUMBER, 2, 3),
    },
}
CETS: Schema = document(
    {
        "name": WORDS,
        "regions": list_of(
            document(
                {"id": WORDS},
                {
                    "movie_stack_collection": {},
                    "tilt_series": list_of(
                        document(
                            {
                                "id": WORDS,
                                "path": WORDS,
                                "images": list_of({"type": "object", "required": ["id", "section"]}, 1),
                            },
                            {
                                "even_path": TEXT,
                                "odd_path": TEXT,
                                "ctf_corrected": FLAG,
                                "movie_stack_series_id": TEXT,
                            },
                        )
                    ),
                    "alignments": list_of(
                        document(
                            {
                                "tilt_series_id": WORDS,
                                "projection_alignments": list_of(
                                    document(
                                        {"tilt_image_id": WORDS, "sequence": list_of(_STEP, 1, 2)},
                                        {"type": one_of("sequence"), "input": TEXT, "output": TEXT, "name": TEXT},
                                    )
                                ),
                            }
                        )
                    ),
                    "tomograms": list_of(
                        document(
                            {"id": WORDS, "path": WORDS, "width": COUNT, "height": COUNT, "depth": COUNT},
                            {
                                "ctf_corrected": FLAG,
                                "even_path": TEXT,
                                "odd_path": TEXT,
                                "coordinate_systems": _SYSTEMS,
                                "coordinate_transformations": list_of(_STEP),
                            },
                        )
                    ),
                    "annotations": list_of(
                        document(
                            {
                                "type": one_of("point_set_3d", "point_matrix_set_3d"),
                                "id": WORDS,
                                "source_tomogram_id": WORDS,
                                "origin3D": list_of(list_of(NUMBER, 3, 3), 1),
                            },
                            {"matrix3D": list_of(_MATRIX3, 1), "coordinate_systems": _SYSTEMS, "path": TEXT},
                        )
                    ),
                },
            ),
            least=1,
        ),
    },
    {"averages": list_of({})},
)
