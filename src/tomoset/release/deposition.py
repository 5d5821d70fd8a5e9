"""Documents that repositories ask for, made from the records: EMPIAR, DataCite and the cryo-ET standard."""

from collections.abc import Sequence
from pathlib import Path

from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.copick import tomogram_path
from tomoset.release.cets import cets_document, cets_region
from tomoset.release.datacite import datacite_document
from tomoset.release.dataset import ReleaseInfo, RunToRelease
from tomoset.release.empiar import RECONSTRUCTED, TILT_SERIES, empiar_document, empiar_gaps, imageset

__all__ = ["write_cets", "write_datacite", "write_empiar"]

Notes = tuple[str, ...]


def write_cets(root: Path, runs: Sequence[RunToRelease], info: ReleaseInfo) -> Notes:
    """Write ``cets/dataset.json``; its paths are those of the layouts written beside it."""
    regions = []
    for run in runs:
        name, grid = run.series.run, run.tomogram.grid
        zarr = tomogram_path(Path("copick"), name, voxel_size_angstrom=grid.voxel_size_angstrom, kind=run.tomogram.kind)
        mrc = f"mrc/{name}/{name}_tomogram.mrc"
        regions.append(
            cets_region(
                run,
                stack=f"mrc/{name}/{name}.mrc",
                tomogram=mrc if "mrc" in info.formats else zarr.as_posix(),
            )
        )
    write_json_atomic(root / "cets" / "dataset.json", cets_document(info, regions))
    return () if "mrc" in info.formats else ("dataset.json: names stacks of the layout mrc, which is not written",)


def write_datacite(root: Path, info: ReleaseInfo) -> Notes:
    """Write ``datacite.json``."""
    write_json_atomic(root / "datacite.json", datacite_document(info))
    return ()


def write_empiar(root: Path, runs: Sequence[RunToRelease], info: ReleaseInfo) -> Notes:
    """Write ``empiar/deposition.json``, or say what it lacks."""
    gaps = empiar_gaps(info)
    if gaps:
        return (f"no deposition.json: EMPIAR also asks for {'; '.join(gaps)}",)
    first = runs[0]
    n, height, width = first.series.images_nyx.shape
    z, y, x = first.tomogram.grid.shape_zyx
    sets = [
        imageset(
            "Motion-corrected tilt series",
            "/data/mrc",
            TILT_SERIES,
            n=len(runs),
            frames=n,
            pixel_size_angstrom=first.series.pixel_size_angstrom,
            shape_yx=(height, width),
        ),
        imageset(
            "Tomograms",
            "/data/mrc",
            RECONSTRUCTED,
            n=len(runs),
            frames=z,
            pixel_size_angstrom=first.tomogram.grid.voxel_size_angstrom,
            shape_yx=(y, x),
        ),
    ]
    write_json_atomic(root / "empiar" / "deposition.json", empiar_document(info, sets))
    return ()
