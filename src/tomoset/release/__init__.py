"""The published dataset and its card."""
