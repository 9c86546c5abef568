"""What all stages share: catalog, storage, imaging, networks, engines."""

__version__ = "0.2.0.dev0"
