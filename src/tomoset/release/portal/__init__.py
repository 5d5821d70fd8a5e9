"""The tree of the CryoET Data Portal: folders, metadata documents, point files, configuration of its ingestion."""

from tomoset.release.portal.tree import finish_portal_tree, start_portal_tree, write_portal_run

__all__ = ["finish_portal_tree", "start_portal_tree", "write_portal_run"]
