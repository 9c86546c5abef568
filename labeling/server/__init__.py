"""Label Studio servers: the workspace's own and others, used through the SDK."""
