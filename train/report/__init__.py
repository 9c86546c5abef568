"""Pages, plots and model cards about runs."""
