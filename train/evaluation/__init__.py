"""How good a model is: figures of an evaluation, cross-validation, Grad-CAM."""
