"""What the pages name exists: files, folders, headings, commands and their options."""

import re
from pathlib import Path

import pytest
import typer.main

from tomoset.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
NAMED_PATH = re.compile(r"(?<![\w/.-])((?:src|docs|tests|benchmarks)/[\w./*-]*[\w/*])")
COMMAND = re.compile(r"(?:`|^\$ |^|\| )tomoset ([a-z]+)((?: [^`\n|]*)?)", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]+)")


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """Anchors that a renderer makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(page.read_text("utf-8")):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_path_named_in_the_house_exists(page: Path) -> None:
    named = NAMED_PATH.findall(page.read_text("utf-8"))
    assert [path for path in named if not any(ROOT.glob(path.rstrip("/")))] == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_command_and_option_named_exists(page: Path) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    unknown = []
    for name, rest in COMMAND.findall(page.read_text("utf-8")):
        if name not in commands:
            unknown.append(name)
            continue
        options = {"--help"}.union(*(parameter.opts for parameter in commands[name].params))
        unknown += [f"{name} {option}" for option in OPTION.findall(rest) if option not in options]
    assert unknown == []


def test_the_checks_find_what_they_look_for() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert {"demo", "init", "run", "score", "release"} <= {name for name, _ in COMMAND.findall(readme)}
    assert NAMED_PATH.findall("see `src/nowhere/at.py` and docs/design/") == ["src/nowhere/at.py", "docs/design/"]
    assert COMMAND.findall("`tomoset frobnicate --all x`") == [("frobnicate", " --all x")]
