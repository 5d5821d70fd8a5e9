"""Commands about what leaves the project: release and report."""

from pathlib import Path

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (release, report):
        app.command()(command)


def release(
    project: Path = typer.Argument(..., help="The project; with --check the release."),
    out: Path | None = typer.Argument(None, help="Folder to make."),
    formats: str = typer.Option(
        "copick,mrc,star,imod,aretomo,warp,portal,ml,cets,empiar,datacite",
        help="Layouts to write, separated by commas.",
    ),
    bag: bool = typer.Option(False, help="Pack the release as a BagIt bag."),
    check: bool = typer.Option(False, "--check", help="Ask every validator and rule whether a release may be public."),
    truth: Path | None = typer.Option(None, help="With --check: folder of the hidden truth, which must not be in it."),
    private: list[str] = typer.Option([], help="With --check: a name that must not occur (repeat for more)."),
) -> None:
    """Write the published dataset: curated runs only, with licence, methods and checksums; or check one."""
    from tomoset.errors import ParameterError

    if check:
        if out is not None:
            raise ParameterError(f"--check: expected one folder, the release, found also {out}")
        _check(project, truth, tuple(private))
        return
    if out is None or truth is not None or private:
        wanted = "the folder to make" if out is None else "--truth and --private together with --check"
        raise ParameterError(f"release: expected {wanted}; see `tomoset release --help`")
    _release(project, out, formats, bag)


def _release(project: Path, out: Path, formats: str, bag: bool) -> None:
    from tomoset.workflow.progress import terminal_progress
    from tomoset.workflow.releasing import release_project

    wanted = tuple(dict.fromkeys(part.strip() for part in formats.split(",") if part.strip()))
    with terminal_progress("release") as progress:
        released = release_project(project, out, wanted, progress=progress, as_bag=bag)
    typer.echo(f"{out}: {len(released.runs)} tomograms, {len(released.files)} files, {', '.join(released.formats)}")
    for run, reason in released.rejected.items():
        typer.echo(f"left out {run}: {reason}")


def _check(place: Path, truth: Path | None, private: tuple[str, ...]) -> None:
    from tomoset.errors import TomosetError
    from tomoset.release import check_release
    from tomoset.workflow.progress import terminal_progress

    with terminal_progress("check") as progress:
        findings = check_release(place, truth=truth, private_words=private, progress=progress)
    if findings:
        listed = "\n".join(str(finding) for finding in findings)
        raise TomosetError(f"{place}: expected a release that may be public, found {len(findings)} problems\n{listed}")
    typer.echo(f"{place}: every validator and rule agrees")


def report(project: Path = typer.Argument(..., help="The project.")) -> None:
    """Draw the project: pictures, motion, CTF, alignment, scores, as one HTML page."""
    from tomoset.report import write_report
    from tomoset.workflow.progress import terminal_progress

    with terminal_progress("report") as progress:
        page = write_report(project, progress=progress)
    typer.echo(f"report: {page}")
