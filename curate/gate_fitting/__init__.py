"""Making gates from examples and judging how good a gate is: discover, fit, evaluate."""
