"""The configuration with which the portal's curators ingest the tree: which files are what, and their metadata."""

from pathlib import Path
from typing import Any

from tomoset.formats.atomic import write_text_atomic
from tomoset.formats.json_documents import read_json
from tomoset.release.dataset import ReleaseInfo

__all__ = ["write_ingestion_config"]

_WRITTEN_BY_THE_INGESTION = frozenset({"last_updated_at", "deposition_id"})


def write_ingestion_config(path: Path, dataset: Path, info: ReleaseInfo, runs: tuple[str, ...]) -> Path:
    """Write ``ingestion_config.yaml``.

    Parameters
    ----------
    path : Path
    dataset : Path
        The dataset's folder in the tree, already written: what its metadata documents say is said here as well.
    info : ReleaseInfo
    runs : tuple of str
    """
    import yaml

    first = dataset / runs[0]
    config: dict[str, Any] = {
        "version": "1.1.0",
        "standardization_config": {
            "deposition_id": info.facts.portal_deposition_id,
            "source_prefix": dataset.name,
        },
        "depositions": [{"sources": [{"literal": {"value": [info.facts.portal_deposition_id]}}]}],
        "datasets": [
            {
                "metadata": _metadata(dataset / "dataset_metadata.json", drop=("key_photos",)),
                "sources": [{"literal": {"value": [str(info.facts.portal_dataset_id)]}}],
            }
        ],
        "dataset_keyphotos": [
            {"sources": [{"literal": {"value": {kind: f"Images/{kind}.png" for kind in ("snapshot", "thumbnail")}}}]}
        ],
        "runs": [{"sources": [{"source_glob": {"list_glob": "*", "match_regex": f"^({'|'.join(runs)})$"}}]}],
        "tiltseries": [_tilt_series(first)],
        "alignments": [
            {
                "metadata": {
                    "format": "IMOD",
                    "method_type": "projection_matching",
                    "alignment_type": "GLOBAL",
                    "is_portal_standard": True,
                },
                "sources": [
                    {
                        "source_multi_glob": {
                            "list_globs": [f"{{run_name}}/Alignments/*/*.{suffix}" for suffix in ("tlt", "xf", "xtilt")]
                        }
                    }
                ],
            }
        ],
        "voxel_spacings": [{"sources": [{"literal": {"value": _spacings(dataset, runs)}}]}],
        "tomograms": [_tomogram(place) for place in sorted(first.glob("Reconstructions/*/Tomograms/*"))],
        "annotations": [_annotation(place) for place in sorted(first.glob("Reconstructions/*/Annotations/*"))],
    }
    return write_text_atomic(path, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def _metadata(path: Path, *, drop: tuple[str, ...] = ()) -> dict[str, Any]:
    left_out = _WRITTEN_BY_THE_INGESTION | set(drop)
    return {key: value for key, value in read_json(path).items() if key not in left_out}


def _spacings(dataset: Path, runs: tuple[str, ...]) -> list[float]:
    found = {
        float(folder.name.removeprefix("VoxelSpacing"))
        for run in runs
        for folder in (dataset / run / "Reconstructions").glob("VoxelSpacing*")
    }
    return sorted(found)


def _tilt_series(run: Path) -> dict[str, Any]:
    document = run / "TiltSeries" / "100" / "tiltseries_metadata.json"
    per_run = ("per_section_parameter", "run_name", "mrc_file", "omezarr_dir", "raw_tlt_path", "size", "scales")
    return {
        "metadata": _metadata(document, drop=(*per_run, "frames_count", "tilt_series_quality"))
        | {"tilt_series_quality": 5},
        "sources": [{"source_glob": {"list_glob": "{run_name}/TiltSeries/*/{run_name}.mrc"}}],
    }


def _tomogram(place: Path) -> dict[str, Any]:
    per_run = ("run_name", "mrc_file", "omezarr_dir", "size", "alignment_metadata_path", "key_photo")
    return {
        "metadata": _metadata(place / "tomogram_metadata.json", drop=per_run),
        "sources": [
            {"source_glob": {"list_glob": f"{{run_name}}/Reconstructions/*/Tomograms/{place.name}/{{run_name}}.mrc"}}
        ],
    }


def _annotation(place: Path) -> dict[str, Any]:
    document = next(place.glob("*.json"))
    metadata = _metadata(document, drop=("object_count", "files", "alignment_metadata_path"))
    sources = [
        {
            entry["shape"]: {
                "file_format": entry["format"],
                "glob_strings": [f"{{run_name}}/Reconstructions/*/Annotations/*/{Path(entry['path']).name}"],
                "is_visualization_default": entry["is_visualization_default"],
            }
        }
        for entry in read_json(document)["files"]
    ]
    return {"metadata": metadata, "sources": sources}
