"""Serve a project's pages to this machine until somebody presses Ctrl-C."""

import socket
from collections.abc import Callable
from pathlib import Path

from tomoset.errors import OutputError, ParameterError
from tomoset.web.app import create_app

__all__ = ["listen", "serve_project"]

_LOOPBACK = "127.0.0.1"


def serve_project(root: Path, port: int, announce: Callable[[str], None]) -> None:
    """Serve until interrupted; returns then.

    Parameters
    ----------
    root : Path
        The project's folder.
    port : int
        0 takes a free one.
    announce : callable
        Gets the address once requests are accepted.

    Raises
    ------
    InputMissingError
        If the folder is no project.
    ParameterError, OutputError
        If there is no such port, or it is taken.
    """
    import uvicorn

    app = create_app(root)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, ws="none", timeout_graceful_shutdown=2
    )
    with listen(port) as listener:
        announce(f"http://{_LOOPBACK}:{listener.getsockname()[1]}/")
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:
            return  # uvicorn has closed its connections, then repeats the signal


def listen(port: int) -> socket.socket:
    """Socket that accepts connections of this machine only.

    Raises
    ------
    ParameterError
        If there is no such port.
    OutputError
        If it is taken or not ours to take.
    """
    if not 0 <= port <= 65535:
        raise ParameterError(f"--port: expected 0 (any free one) to 65535, found {port}")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_LOOPBACK, port))
        # Accept from now on: who opens the announced address at once must not be turned away.
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise OutputError(
            f"--port: expected a free port, found that {port} cannot be used ({error.strerror}); "
            "leave --port out to take any free one"
        ) from error
    return listener
