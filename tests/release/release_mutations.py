"""One broken field at a time: what the gate must catch in a release."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["MUTATIONS"]

Mutation = Callable[[Path], None]


def _json(path: str, change: Callable[[Any], object]) -> Mutation:
    def mutate(root: Path) -> None:
        file = next(iter(sorted(root.glob(path))))
        document = json.loads(file.read_text("utf-8"))
        change(document)
        file.write_text(json.dumps(document), "utf-8")

    return mutate


def _put(path: str, *keys: str | int, value: Any) -> Mutation:
    def change(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return _json(path, change)


def _drop(path: str, *keys: str | int) -> Mutation:
    def change(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        del document[keys[-1]]

    return _json(path, change)


def _text(path: str, old: str, new: str) -> Mutation:
    def mutate(root: Path) -> None:
        file = next(iter(sorted(root.glob(path))))
        text = file.read_text("utf-8")
        if old not in text:
            raise AssertionError(f"{path}: nothing to break, {old!r} is not there")
        file.write_text(text.replace(old, new), "utf-8")

    return mutate


def _remove(path: str) -> Mutation:
    return lambda root: next(iter(sorted(root.glob(path)))).unlink()


def _bytes(path: str, at: int, data: bytes) -> Mutation:
    def mutate(root: Path) -> None:
        file = next(iter(sorted(root.glob(path))))
        content = bytearray(file.read_bytes())
        content[at : at + len(data)] = data
        file.write_bytes(bytes(content))

    return mutate


def _truncate(path: str) -> Mutation:
    def mutate(root: Path) -> None:
        file = next(iter(sorted(root.glob(path))))
        file.write_bytes(file.read_bytes()[:-100])

    return mutate


def _table(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Mutation:
    def mutate(root: Path) -> None:
        path = root / "ml" / f"{name}.parquet"
        change(pd.read_parquet(path)).to_parquet(path, index=False)

    return mutate


def _points(path: str, change: Callable[[list[str]], list[str]]) -> Mutation:
    def mutate(root: Path) -> None:
        file = next(iter(sorted(root.glob(path))))
        file.write_text("".join(change(file.read_text("utf-8").splitlines(keepends=True))), "utf-8")

    return mutate


def _write(path: str, text: str) -> Mutation:
    def mutate(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")

    return mutate


def _nan_chunk(root: Path) -> None:
    import zarr

    zarr.open_group(root / "ml" / "train" / "TS1.zarr", mode="r+")["tomogram"][0, 0, 0] = np.nan


DATASET = "portal/dataset/dataset_metadata.json"
RUN = "portal/dataset/TS1/"
SERIES = RUN + "TiltSeries/100/tiltseries_metadata.json"
ALIGNMENT = RUN + "Alignments/100/alignment_metadata.json"
TOMOGRAM = RUN + "Reconstructions/*/Tomograms/100/tomogram_metadata.json"
ANNOTATION = RUN + "Reconstructions/*/Annotations/100/*.json"
NDJSON = RUN + "Reconstructions/*/Annotations/100/*.ndjson"
PICKS = "copick/ExperimentRuns/TS1/Picks/tomoset_templates_apoferritin.json"
CONFIG = "copick/copick_config.json"
VOLUME = "copick/ExperimentRuns/TS1/VoxelSpacing10.000/wbp.zarr/"
EMPIAR = "empiar/deposition.json"
CETS = "cets/dataset.json"
CROISSANT = "ml/croissant.json"
STAR = "relion/particles_apoferritin.star"

MUTATIONS: dict[str, Mutation] = {
    # the portal's documents
    "portal: assay is no EFO term": _put(DATASET, "assay", "id", value="cryo-ET"),
    "portal: no authors": _put(DATASET, "authors", value=[]),
    "portal: ORCID with letters": _put(DATASET, "authors", 0, "ORCID", value="A. Person"),
    "portal: date in another order": _put(DATASET, "dates", "release_date", value="01.10.2026"),
    "portal: unknown sample type": _put(DATASET, "sample_type", value="protein"),
    "portal: extra key": _put(DATASET, "licence", value="CC0-1.0"),
    "portal: identifier is text": _put(DATASET, "dataset_identifier", value="10440"),
    "portal: no title": _drop(DATASET, "dataset_title"),
    "portal: publication is no DOI": _put(DATASET, "cross_references", "publications", value="Nature 2026"),
    "portal: no run document": _remove(RUN + "run_metadata.json"),
    "portal: object without id": _drop(RUN + "run_metadata.json", "identified_objects", 0, "object_id"),
    "portal: frames without order": _drop(RUN + "Frames/frames_metadata.json", "frames", 0, "acquisition_order"),
    "portal: negative dose": _put(RUN + "Frames/frames_metadata.json", "frames", 0, "accumulated_dose", value=-1.0),
    "portal: voltage in kV": _put(SERIES, "acceleration_voltage", value=300),
    "portal: no camera": _drop(SERIES, "camera"),
    "portal: quality of ten": _put(SERIES, "tilt_series_quality", value=10),
    "portal: tilt of 450 degrees": _put(SERIES, "per_section_parameter", 0, "raw_angle", value=450.0),
    "portal: pixel size zero": _put(SERIES, "pixel_spacing", value=0.0),
    "portal: stack misnamed": _put(SERIES, "mrc_file", value="dataset/TS1/TiltSeries/100/TS2.mrc"),
    "portal: alignment of an unknown program": _put(ALIGNMENT, "format", value="TOMOSET"),
    "portal: rotation of one row": _put(
        ALIGNMENT, "per_section_alignment_parameters", 0, "in_plane_rotation", value=[[1.0, 0.0]]
    ),
    "portal: no alignment files": _remove(RUN + "Alignments/100/TS1.xf"),
    "portal: unknown processing": _put(TOMOGRAM, "processing", value="wbp"),
    "portal: voxel spacing as text": _put(TOMOGRAM, "voxel_spacing", value="10 A"),
    "portal: tomogram missing": _remove(RUN + "Reconstructions/*/Tomograms/100/TS1.mrc"),
    "portal: count of objects": _put(ANNOTATION, "object_count", value=6),
    "portal: ingest id with capitals": _put(ANNOTATION, "annotation_ingest_id", value="Apoferritin 1"),
    "portal: object id in words": _put(ANNOTATION, "annotation_object", "id", value="ferritin"),
    "portal: method unknown": _put(ANNOTATION, "method_type", value="template"),
    "portal: shape unknown": _put(ANNOTATION, "files", 0, "shape", value="Points"),
    "portal: points missing": _remove(NDJSON),
    "portal: one point less": _points(NDJSON, lambda lines: lines[1:]),
    "portal: point moved": _points(NDJSON, lambda lines: [lines[0].replace('"x": ', '"x": 1', 1), *lines[1:]]),
    "portal: point of another type": _points(
        NDJSON, lambda lines: [lines[0].replace("orientedPoint", "point"), *lines[1:]]
    ),
    "portal: broken JSON": _text(TOMOGRAM, "{", ""),
    # copick
    "copick: pick outside": _put(PICKS, "points", 0, "location", "x", value=9000.0),
    "copick: NaN": _text(PICKS, '"score"', '"score": NaN, "old"'),
    "copick: matrix scaled": _put(PICKS, "points", 0, "transformation_", 0, 0, value=3.0),
    "copick: left-handed": _json(
        PICKS, lambda d: d["points"][0].update(transformation_=np.diag([1.0, 1.0, -1.0, 1.0]).tolist())
    ),
    "copick: another voxel size": _put(PICKS, "voxel_spacing", value=13.3),
    "copick: unit nm": _put(PICKS, "unit", value="nm"),
    "copick: another run": _put(PICKS, "run_name", value="TS2"),
    "copick: a pick lost": _json(PICKS, lambda d: d["points"].pop()),
    "copick: picks file lost": _remove(PICKS),
    "copick: label twice": _put(CONFIG, "pickable_objects", 1, "label", value=1),
    "copick: name twice": _put(CONFIG, "pickable_objects", 1, "name", value="apoferritin"),
    "copick: class lost": _json(CONFIG, lambda d: d["pickable_objects"].pop()),
    "copick: class renamed": _put(CONFIG, "pickable_objects", 1, "name", value="albumin"),
    # volumes
    "zarr: no metadata": _remove(VOLUME + ".zattrs"),
    "zarr: axes swapped": _text(VOLUME + ".zattrs", '"z"', '"q"'),
    "zarr: scale of zero": _text(VOLUME + ".zattrs", "10.0", "0.0"),
    "zarr: a level lost": _remove(VOLUME + "1/.zarray"),
    "zarr: chunk cut": _truncate(VOLUME + "0/0/0/0"),
    "mrc: no map word": _bytes("mrc/TS1/TS1_tomogram.mrc", 208, b"PAM "),
    "mrc: cut": _truncate("mrc/TS1/TS1.mrc"),
    "mrc: mode unknown": _bytes("mrc/TS1/TS1.mrc", 12, b"\x63\x00\x00\x00"),
    "ml: volume of NaN": _nan_chunk,
    # tables and Croissant
    "ml: a pick lost": _table("picks", lambda t: t.iloc[1:]),
    "ml: places in voxels": _table("picks", lambda t: t.assign(x=t.x / 10, y=t.y / 10, z=t.z / 10)),
    "ml: class renamed": _table("objects", lambda t: t.assign(object=t.object.str.replace("bsa", "BSA"))),
    "ml: run lost": _table("runs", lambda t: t.iloc[1:]),
    "croissant: no licence": _drop(CROISSANT, "license"),
    "croissant: no citation": _drop(CROISSANT, "citeAs"),
    "croissant: checksum wrong": _put(CROISSANT, "distribution", 0, "sha256", value="0" * 64),
    "croissant: file misnamed": _put(CROISSANT, "distribution", 0, "contentUrl", value="run.parquet"),
    "croissant: column misnamed": _text(CROISSANT, '"column": "x"', '"column": "X"'),
    # depositions
    "EMPIAR: title too short": _put(EMPIAR, "title", value="Short"),
    "EMPIAR: author with a number": _put(EMPIAR, "authors", 0, "name", value="('Smith2', 'J')"),
    "EMPIAR: no e-mail": _drop(EMPIAR, "corresponding_author", "email"),
    "EMPIAR: country in words": _put(EMPIAR, "corresponding_author", "country", value="England"),
    "EMPIAR: no image sets": _put(EMPIAR, "imagesets", value=[]),
    "EMPIAR: code unknown": _put(EMPIAR, "imagesets", 0, "category", value="tilt series"),
    "CETS: points of two numbers": _put(CETS, "regions", 0, "annotations", 0, "origin3D", 0, value=[1.0, 2.0]),
    "CETS: no path": _drop(CETS, "regions", 0, "tomograms", 0, "path"),
    "CETS: matrix of two rows": _put(CETS, "regions", 0, "annotations", 0, "matrix3D", 0, value=[[1.0, 0.0, 0.0]]),
    "DataCite: no creators": _put("datacite.json", "creators", value=[]),
    "DataCite: no rights": _drop("datacite.json", "rightsList"),
    # RELION
    "RELION: particle lost": _points(STAR, lambda lines: lines[: max(i for i, x in enumerate(lines) if x.strip())]),
    "RELION: column renamed": _text(STAR, "rlnCenteredCoordinateXAngst", "rlnCoordinateX"),
    "RELION: stack misnamed": _text("relion/tilt_series/TS1.star", "mrc/TS1/TS1.mrc", "mrc/TS1/TS9.mrc"),
    # rights, privacy, truth
    "rights: card without licence": _text("README.md", "license: cc0-1.0", "license: unknown"),
    "rights: no citation": _text("README.md", "Lovelace & Babbage 2026", "us"),
    "rights: dataset without licence": _put("dataset.json", "licence", value=""),
    "rights: no datasheet": _remove("DATASHEET.md"),
    "privacy: path of a home": _text("README.md", "Everything was done well.", "See /home/ada/raw for more."),
    "privacy: path in a star": _text("relion/tilt_series/TS1.star", "mrc/TS1/TS1.mrc", "/scratch/lab/TS1.mrc"),
    "privacy: drive letter": _put("dataset.json", "methods", value="C:\\data\\raw"),
    "privacy: a private word": _text("README.md", "Everything was done well.", "Thanks to secretlab."),
    "truth: a folder of it": _write("copick/GroundTruth/poses.json", "{}"),
}
