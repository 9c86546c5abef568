"""The search recipes of bodyshop, one YAML file each."""
