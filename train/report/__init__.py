"""Pages, plots and model cards of runs and evaluations."""
