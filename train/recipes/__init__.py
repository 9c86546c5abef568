"""What a training is made of: the schema of recipes, and the recipes that are shipped."""
