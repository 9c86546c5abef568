"""The rows of the catalog that labelling reads and writes: pictures, annotations, selections."""
