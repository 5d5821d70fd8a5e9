"""Pages: a dataset in the browser, served to this machine only."""

from tomoset.web.app import create_app
from tomoset.web.server import serve_project

__all__ = ["create_app", "serve_project"]
