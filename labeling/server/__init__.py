"""A Label Studio server: the workspace's own, or somebody's, reached through its SDK."""
