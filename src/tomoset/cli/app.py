"""The command line: words in, one paragraph out when something is wrong.

Exit codes: 0 done; 2 the user can mend it; 1 our bug; 130 interrupted; 143 terminated. Every command imports what it
needs when it runs, so that ``tomoset --help`` stays quick.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from tomoset import __version__
from tomoset.cli import (
    benchmark_commands,
    browse_commands,
    dataset_commands,
    label_commands,
    network_commands,
    project_commands,
)
from tomoset.errors import TomosetError

__all__ = ["app", "main"]

_MENDABLE, _INTERRUPTED = 2, 130

app = typer.Typer(
    name="tomoset",
    help="Labeled cryo-electron-tomography datasets, from raw movies to a published, scored benchmark.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"tomoset {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Options of tomoset itself; the version option has acted already when this is called."""
    del version


for _commands in (
    project_commands,
    label_commands,
    network_commands,
    browse_commands,
    dataset_commands,
    benchmark_commands,
):
    _commands.register(app)


def main() -> None:
    """Run the command line; the entry point of the ``tomoset`` program."""
    try:
        with _terminable():
            app()
    except TomosetError as error:
        _complain(str(error))
        sys.exit(_MENDABLE)
    except BrokenPipeError:
        # The reader of our output (`| head`) has left: that is no error, but Python must not try to flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        where = error.filename or "a file"
        _complain(
            f"{where}: expected to read or write it, found {(error.strerror or str(error)).lower()}; "
            "mend the path, its permissions or the room on the disk"
        )
        sys.exit(_MENDABLE)
    except SystemExit as leave:
        if leave.code == _INTERRUPTED:  # typer's word for KeyboardInterrupt
            _complain("Interrupted. What was finished is kept; the same command goes on from there.")
        raise
    except _Terminated:
        _complain("Terminated. What was finished is kept; the same command goes on from there.")
        sys.exit(128 + signal.SIGTERM)


class _Terminated(BaseException):
    """The system asked this process to end (SIGTERM)."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Take SIGTERM as an exception, so that workers are ended and unfinished files removed as with Ctrl-C."""

    def terminate(*_: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _complain(text: str) -> None:
    from rich.console import Console

    Console(stderr=True, highlight=False).print(text, style="bold red", markup=False, soft_wrap=True)
