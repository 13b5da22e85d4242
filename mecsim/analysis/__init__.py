"""Statistics, tables, figures and reports from the frames of finished runs."""
