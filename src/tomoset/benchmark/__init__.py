"""Metrics and scores of labels against the truth."""
