"""Croissant (MLCommons, version 1.1): the dataset described so that programs find, check and load it.

Three record sets (runs, objects, picks) come from the parquet tables; every training volume is named with a checksum of
its whole tree, which Croissant itself has no word for: SHA-256 of the sorted lines ``checksum  path`` of its files.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from tomoset.formats.atomic import write_text_atomic
from tomoset.release.dataset import ReleaseInfo
from tomoset.release.manifest import file_sha256
from tomoset.release.portal.documents import release_time

__all__ = ["CROISSANT", "tree_sha256", "write_croissant"]

CROISSANT = "croissant.json"

_KINDS = {"string": "TEXT", "large_string": "TEXT", "int64": "INTEGER", "double": "FLOAT", "bool": "BOOL"}


def tree_sha256(folder: Path) -> str:
    """Checksum of a folder: of the sorted lines ``checksum  path`` of all its files."""
    lines = [
        f"{file_sha256(path)}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_croissant(folder: Path, info: ReleaseInfo, tables: tuple[Path, ...], volumes: tuple[Path, ...]) -> Path:
    """Write ``croissant.json`` beside the tables it describes; addresses are relative to it.

    Parameters
    ----------
    folder : Path
    info : ReleaseInfo
    tables : tuple of Path
        Parquet files in ``folder``.
    volumes : tuple of Path
        Zarr groups below ``folder``.
    """
    import mlcroissant as mlc

    facts = info.facts
    distribution: list[Any] = [
        mlc.FileObject(
            id=path.name,
            name=path.name,
            content_url=path.name,
            encoding_formats=["application/x-parquet"],
            sha256=file_sha256(path),
        )
        for path in tables
    ]
    distribution += [
        mlc.FileObject(
            id=path.relative_to(folder).as_posix(),
            name=path.name,
            description="Training volume; sha256 of the sorted lines 'checksum  path' of its files.",
            content_url=path.relative_to(folder).as_posix(),
            encoding_formats=["application/vnd.zarr"],
            sha256=tree_sha256(path),
        )
        for path in volumes
    ]
    metadata = mlc.Metadata(
        name=info.name,
        description=facts.description or info.title or info.name,
        url=facts.url or (f"https://doi.org/{facts.doi}" if facts.doi else None),
        version=info.version,
        license=[f"https://spdx.org/licenses/{info.licence}.html"],
        cite_as=info.citation,
        creators=[mlc.Person(name=author.name) for author in facts.authors],
        keywords=list(facts.keywords) or None,
        date_published=release_time(facts).replace(tzinfo=None),
        distribution=distribution,
        record_sets=[_record_set(path) for path in tables],
    )
    text = json.dumps(metadata.to_json(), indent=2, ensure_ascii=False, default=str)
    return write_text_atomic(folder / CROISSANT, text + "\n")


def _record_set(table: Path) -> Any:
    import mlcroissant as mlc
    import pyarrow.parquet as pq

    fields = [
        mlc.Field(
            id=f"{table.stem}/{column.name}",
            name=column.name,
            data_types=getattr(mlc.DataType, _KINDS.get(str(column.type), "TEXT")),
            source=mlc.Source(file_object=table.name, extract=mlc.Extract(column=column.name)),
        )
        for column in pq.read_schema(table)
    ]
    return mlc.RecordSet(id=table.stem, name=table.stem, fields=fields)
