"""One `tomoset run` at a time on a project: a lock that the system itself drops when its holder dies."""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO

from tomoset.errors import OutputError
from tomoset.workflow.layout import ProjectLayout

__all__ = ["project_lock"]

# Some network file systems know no locks. Refusing to work there would help nobody: results are atomic anyway.
_NO_LOCKS = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK})


@contextmanager
def project_lock(layout: ProjectLayout) -> Iterator[None]:
    """Be the only one who computes in a project while the block runs.

    The lock belongs to the open file, not to its content: a killed process leaves no stale lock behind. The content
    only names the holder, for the message.

    Raises
    ------
    OutputError
        If another process holds it, or the project cannot be written.
    """
    try:
        stream = layout.lock.open("a+b", buffering=0)  # a buffer would meet a full disk once more on closing
    except OSError as error:
        raise OutputError(
            f"{layout.root}: expected a project that can be written, found {(error.strerror or str(error)).lower()}; "
            "change its permissions or free space"
        ) from error
    with stream:
        _acquire(stream, layout)
        with suppress(OSError):  # a full disk must not forbid the lock
            _name_holder(stream, f"process {os.getpid()} on {socket.gethostname()}")
        try:
            yield
        finally:
            with suppress(OSError):
                _name_holder(stream, "")


def _acquire(stream: FileIO, layout: ProjectLayout) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        stream.seek(0)
        holder = stream.read().decode(errors="replace").strip() or "another process"
        raise OutputError(
            f"{layout.root}: expected to compute in this project alone, found {holder} at work in it; "
            "wait until that has ended (or end it) and run again"
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _name_holder(stream: FileIO, holder: str) -> None:
    stream.truncate(0)
    stream.write(holder.encode())
