"""RELION's stars: readable, naming images that are there, as many particles as picks."""

from pathlib import Path

from tomoset.errors import TomosetError
from tomoset.formats.copick import list_picks, list_runs, read_picks
from tomoset.release.check.findings import Finding

__all__ = ["check_relion"]


def check_relion(root: Path) -> list[Finding]:
    """Every star by starfile; the images and tomograms they name; particles against copick's picks."""
    import starfile

    folder = root / "relion"
    findings: list[Finding] = []
    for path in sorted(folder.rglob("*.star")) if folder.is_dir() else []:
        where = path.relative_to(root).as_posix()
        try:
            tables = starfile.read(path, always_dict=True)
        except Exception as error:  # noqa: BLE001 starfile raises whatever pandas raises
            findings.append(Finding(rule="starfile", path=where, message=f"{type(error).__name__}: {error}"))
            continue
        for table in tables.values():
            findings += _named_files(root, where, table)
        if path.name.startswith("particles_"):
            findings += _particles(root, where, path.stem.removeprefix("particles_"), tables)
    return findings


_FILES = ("rlnMicrographName", "rlnTomoReconstructedTomogram", "rlnTomoTiltSeriesStarFile")


def _named_files(root: Path, where: str, table: object) -> list[Finding]:
    findings = []
    columns = getattr(table, "columns", ())
    for name in _FILES:
        if name not in columns:
            continue
        for value in sorted({str(each).rpartition("@")[2] for each in table[name]}):  # type: ignore[index]
            if not (root / value).exists():
                findings.append(Finding(rule="RELION files", path=where, message=f"names {value}, which is not there"))
    return findings


def _particles(root: Path, where: str, name: str, tables: dict[str, object]) -> list[Finding]:
    particles = tables.get("particles")
    if "optics" not in tables or particles is None:
        return [Finding(rule="RELION", path=where, message="expected blocks optics and particles, found others")]
    wanted = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"] + ["rlnTomoName", "rlnOpticsGroup"]
    missing = [column for column in wanted if column not in getattr(particles, "columns", ())]
    if missing:
        return [Finding(rule="RELION", path=where, message=f"expected {', '.join(missing)}, found none")]
    project = root / "copick"
    if not project.is_dir():
        return []
    try:
        count = sum(
            len(read_picks(entry.path).picks)
            for run in list_runs(project)
            for entry in list_picks(project, run)
            if entry.object_name == name
        )
    except TomosetError:
        return []  # said by the rule on picks
    found = len(particles)  # type: ignore[arg-type]
    if count != found:
        return [Finding(rule="counts", path=where, message=f"expected {count} particles as in copick, found {found}")]
    return []
