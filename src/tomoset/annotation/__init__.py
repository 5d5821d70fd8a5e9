"""Labels: templates, truth, and the metrics of their quality."""
