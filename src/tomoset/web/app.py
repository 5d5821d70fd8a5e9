"""Routes: two pages for people; pictures, JSON and one way to write for the pages' script."""

import secrets
from importlib import resources as package_resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tomoset.curation import REASONS, ConflictError, Verdict
from tomoset.errors import InputMissingError, TomosetError
from tomoset.web.guards import TOKEN_HEADER, ForbiddenError, LoopbackGuard, require_token
from tomoset.web.pictures import grey_png
from tomoset.web.project_view import ProjectView
from tomoset.web.verdicts import author_name, current_verdicts, record_verdict, verdict_facts

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

__all__ = ["create_app"]

_STATUS: tuple[tuple[type[TomosetError], int], ...] = (
    (InputMissingError, 404),
    (ForbiddenError, 403),
    (ConflictError, 409),
)
_STATIC = {"room.js": "text/javascript; charset=utf-8", "room.css": "text/css; charset=utf-8"}
_SLAB_ANGSTROM = 150.0
_LOW_PERCENT, _HIGH_PERCENT = 1.0, 99.5
_SECTION_PIXELS = 1024
# Newer FastAPI would send traces to wherever the environment says; older ones ignore this.
_NO_TELEMETRY: Any = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}
_HEADER = (
    "run",
    "steps done",
    "tilts used",
    "motion, Å",
    "defocus, µm",
    "tilt axis, °",
    "residual, Å",
    "verdict",
    "picks",
)


def create_app(project_root: Path) -> "FastAPI":
    """Make the application that shows one project.

    Parameters
    ----------
    project_root : Path
        The project's folder.

    Returns
    -------
    fastapi.FastAPI
        An ASGI application that answers this machine only and never serves the truth.

    Raises
    ------
    InputMissingError
        If the folder is no project.
    """
    from fastapi import FastAPI

    view = ProjectView(project_root)
    # The generated documentation would load its scripts from another machine.
    app = FastAPI(
        title="tomoset",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    token = secrets.token_urlsafe(32)
    app.add_middleware(LoopbackGuard)
    _add_errors(app)
    _add_pages(app, view, token)
    _add_data(app, view)
    _add_pictures(app, view)
    _add_verdicts(app, view, token)
    return app


def _add_pages(app: "FastAPI", view: ProjectView, token: str) -> None:
    from fastapi.responses import HTMLResponse, Response

    @app.get("/", response_class=HTMLResponse)
    def dataset_page() -> str:
        verdicts = current_verdicts(view.layout)
        rows = [
            {
                "run": status.run,
                "cells": status.cells()[1:7],
                "verdict": _verdict_text(status.verdict, verdicts.get(status.run)),
                "picks": ", ".join(f"{n} {name}" for name, n in status.picks.items()) or "–",
                "has_tomogram": view.has_tomogram(status.run),
            }
            for status in view.status()
        ]
        return _page("dataset", view, rows=rows, header=_HEADER)

    @app.get("/run/{run}", response_class=HTMLResponse)
    def run_page(run: str) -> str:
        view.require_run(run)
        names = view.run_names
        here = names.index(run)
        neighbours = {"before": "".join(names[max(0, here - 1) : here]), "after": "".join(names[here + 1 : here + 2])}
        shown = {"slab": _SLAB_ANGSTROM, "low": _LOW_PERCENT, "high": _HIGH_PERCENT}
        return _page("run", view, run=run, token=token, reasons=REASONS, **shown, **neighbours)

    @app.get("/static/{name}")
    def static_file(name: str) -> Response:
        if name not in _STATIC:
            raise InputMissingError(f"expected one of {', '.join(_STATIC)}, found {name!r}")
        return Response(_packaged(f"static/{name}"), media_type=_STATIC[name])


def _add_data(app: "FastAPI", view: ProjectView) -> None:
    @app.get("/api/runs")
    def runs() -> list[dict[str, Any]]:
        return view.runs()

    @app.get("/api/objects")
    def objects() -> list[dict[str, Any]]:
        return view.objects()

    @app.get("/api/runs/{run}")
    def run_facts(run: str) -> dict[str, Any]:
        return view.run_facts(run)

    @app.get("/api/runs/{run}/picks")
    def picks(run: str, tomogram: str = "") -> dict[str, Any]:
        return view.picks(run, tomogram)


def _add_pictures(app: "FastAPI", view: ProjectView) -> None:
    from fastapi.responses import Response

    @app.get("/api/runs/{run}/section.png")
    def section(
        run: str,
        axis: Literal["x", "y", "z"] = "z",
        index: int | None = None,
        slab: float = _SLAB_ANGSTROM,
        low: float = _LOW_PERCENT,
        high: float = _HIGH_PERCENT,
        tomogram: str = "",
        size: int = _SECTION_PIXELS,
    ) -> Response:
        image = view.section(run, axis=axis, index=index, slab_angstrom=slab, tomogram=tomogram, longest=size)
        return Response(grey_png(image, low, high), media_type="image/png")

    @app.get("/api/runs/{run}/tilt/{index}.png")
    def tilt(run: str, index: int, low: float = _LOW_PERCENT, high: float = _HIGH_PERCENT) -> Response:
        return Response(grey_png(view.tilt_image(run, index), low, high), media_type="image/png")


def _add_verdicts(app: "FastAPI", view: ProjectView, token: str) -> None:
    from fastapi import Body, Request

    who = author_name()

    @app.get("/api/runs/{run}/verdict")
    def verdict_now(run: str) -> dict[str, Any]:
        return verdict_facts(view.layout, view.require_run(run))

    @app.post("/api/runs/{run}/verdict", status_code=201)
    def judge(
        request: Request,
        run: str,
        verdict: Annotated[Literal["keep", "unsure", "reject"], Body()],
        reason: Annotated[str, Body()] = "",
        after: Annotated[int | None, Body()] = None,
    ) -> dict[str, Any]:
        require_token(token, request.headers.get(TOKEN_HEADER), request.headers.get("Sec-Fetch-Site"))
        return record_verdict(view.layout, view.require_run(run), verdict, reason=reason, who=who, after=after)


def _verdict_text(suggested: str | None, verdict: Verdict | None) -> str:
    if verdict is not None:
        return f"{verdict.verdict} ({verdict.who})"
    return "–" if suggested is None else f"{suggested} (rules)"


def _add_errors(app: "FastAPI") -> None:
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import Response

    @app.exception_handler(TomosetError)
    def mendable(request: Request, error: TomosetError) -> Response:
        codes = [code for kind, code in _STATUS if isinstance(error, kind)]
        return _answer(request, codes[0] if codes else 400, str(error))

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> Response:
        parts = [f"{e['loc'][-1]}: {e['msg'].lower()}, found {e.get('input')!r}" for e in error.errors()]
        return _answer(request, 400, "; ".join(parts))

    @app.exception_handler(404)
    def no_such_page(request: Request, error: Exception) -> Response:
        del error
        return _answer(request, 404, f"expected a page of this dataset, found no {request.url.path}; start at /")


def _answer(request: "Request", status: int, paragraph: str) -> Any:
    """Say what is wrong: as JSON to the script, as a page to a person."""
    from fastapi.responses import HTMLResponse, JSONResponse

    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": paragraph}, status_code=status)
    return HTMLResponse(_render("error", paragraph=paragraph), status_code=status)


def _page(name: str, view: ProjectView, **values: Any) -> str:
    return _render(name, dataset=view.recipe.name, title=view.title, **values)


def _render(name: str, **values: Any) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda file: _packaged(f"templates/{file}")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{name}.html.j2").render(**values)


def _packaged(name: str) -> str:
    return (package_resources.files("tomoset.web") / name).read_text("utf-8")
