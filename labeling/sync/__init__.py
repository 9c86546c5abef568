"""Between the catalog and a labelling server: projects, pictures, predictions, annotations."""
