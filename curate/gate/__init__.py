"""The gate: is this a car, and how much of it."""
