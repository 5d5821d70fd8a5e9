"""Pictures and the report page."""

from tomoset.report.page import write_report

__all__ = ["write_report"]
