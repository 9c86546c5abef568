"""Search recipes that come with bodyshop, one YAML file each."""
