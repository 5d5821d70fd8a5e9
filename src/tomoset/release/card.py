"""The card of a release: what a person reads before using it, and the methods section."""

from tomoset.release.dataset import LabelCounts, ReleaseInfo

__all__ = ["card_text"]

_LAYOUT = {
    "copick": "`copick/`: copick filesystem project (OME-Zarr 0.4 tomograms, picks in Å; start copick's tools in it)",
    "mrc": "`mrc/RUN/`: tomogram, tilt series and its half sets (odd and even frames) as MRC2014",
    "star": "`relion/`: RELION-5 tilt series, tomograms and particles (coordinates centred on size / 2)",
    "imod": "`imod/RUN/`: `.xf`, `.tlt`, `.xtilt`, `.rawtlt` and `.defocus`, for the stack in `mrc/RUN/`",
    "aretomo": "`aretomo/`: `RUN.aln` and `RUN_CTF.txt` (CTFFIND's table) as AreTomo writes them",
    "warp": "`warp/`: `RUN.tomostar` and `RUN.xml` as Warp keeps them; put them beside the movies",
    "portal": "`portal/`: the CryoET Data Portal's tree: metadata, volumes, point files, ingestion configuration",
    "ml": "`ml/`: training volumes (zarr 3, half precision), tables of runs, objects and picks, Croissant description",
    "cets": "`cets/dataset.json`: the cryo-ET standard's document of tilt series, alignments and annotations",
    "empiar": "`empiar/deposition.json`: EMPIAR's deposition document",
    "datacite": "`datacite.json`: DataCite's fields, for a DOI",
}


def card_text(info: ReleaseInfo, counts: LabelCounts, format_notes: tuple[str, ...] = ()) -> str:
    """The card in Markdown, with a YAML head that dataset hubs read; with what formats could not hold."""
    tags = "\n".join(f"- {tag}" for tag in ("cryo-et", "tomography", "particle-picking"))
    lines = [
        "---",
        f"license: {info.licence.lower()}",
        f"pretty_name: {info.title or info.name}",
        f"tags:\n{tags}",
        "---",
        f"# {info.title or info.name}",
        "",
        (
            f"{'Simulated' if info.is_simulated else 'Measured'} cryo-ET dataset `{info.name}`, "
            f"version {info.version}, {len(counts)} tomograms."
        ),
        "",
        "## Objects",
        "",
        *_objects_table(info, counts),
        "",
        "## Layout",
        "",
        *(f"- {_LAYOUT[name]}" for name in info.formats),
        "- `DATASHEET.md`: the questions a careful user asks; `dataset.json`: this card for programs",
        "- `manifest-sha256.txt`: checksums of every file",
        "",
        (
            "Positions are x, y, z in Å from the centre of voxel (0, 0, 0) of the tomogram; rotations are active, "
            "right-handed matrices from particle to tomogram."
        ),
        "",
        "## Methods",
        "",
        info.methods,
        "",
    ]
    if format_notes:
        lines += ["## What formats could not hold", "", *(f"- {note}" for note in format_notes), ""]
    if info.rejected:
        lines += ["## Left out", "", *(f"- {run}: {reason}" for run, reason in info.rejected.items()), ""]
    lines += ["## Licence and citation", "", f"{info.licence}. {info.citation}", ""]
    return "\n".join(lines)


def _objects_table(info: ReleaseInfo, counts: LabelCounts) -> list[str]:
    """One row an object, one column an author of labels."""
    authors = sorted({author for run in counts.values() for author in run})
    head = ["label", "object", "radius, Å", "symmetry", *(f"by {author}" for author in authors)]
    rows = [head, ["---"] * len(head)]
    for item in info.objects:
        found = [sum(run.get(author, {}).get(item.name, 0) for run in counts.values()) for author in authors]
        rows.append([str(item.label), item.name, f"{item.radius_angstrom:g}", item.symmetry, *map(str, found)])
    return [f"| {' | '.join(row)} |" for row in rows]
