"""How good a model is: figures of an evaluation, cross-validation, what a prediction looks at."""
