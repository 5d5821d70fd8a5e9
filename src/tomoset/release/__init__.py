"""The published dataset and its card."""

from tomoset.release.alignment_files import write_aretomo_alignment, write_imod_alignment
from tomoset.release.dataset import FORMATS, ReleaseInfo, RunToRelease
from tomoset.release.manifest import MANIFEST, verify_manifest, write_manifest
from tomoset.release.write import write_release

__all__ = [
    "FORMATS",
    "MANIFEST",
    "ReleaseInfo",
    "RunToRelease",
    "verify_manifest",
    "write_aretomo_alignment",
    "write_imod_alignment",
    "write_manifest",
    "write_release",
]
