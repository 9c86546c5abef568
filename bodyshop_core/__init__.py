"""What all stages share: catalog, storage, imaging, networks, engines."""
