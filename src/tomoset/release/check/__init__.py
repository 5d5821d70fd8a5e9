"""The gate: what a release is asked before it may be public."""

from tomoset.release.check.findings import Finding
from tomoset.release.check.gate import check_release

__all__ = ["Finding", "check_release"]
