"""The published dataset and its card."""

from tomoset.release.alignment_files import write_exchange_files
from tomoset.release.check import Finding, check_release
from tomoset.release.dataset import FORMATS, ReleaseInfo, RunToRelease
from tomoset.release.facts import Author, DatasetFacts, Funding, InstrumentFacts, SampleFacts
from tomoset.release.manifest import MANIFEST, verify_manifest, write_manifest
from tomoset.release.write import write_release

__all__ = [
    "FORMATS",
    "MANIFEST",
    "Author",
    "DatasetFacts",
    "Finding",
    "Funding",
    "InstrumentFacts",
    "ReleaseInfo",
    "RunToRelease",
    "SampleFacts",
    "check_release",
    "verify_manifest",
    "write_exchange_files",
    "write_manifest",
    "write_release",
]
