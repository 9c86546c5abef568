"""Replicas of foreign sites: their structure of pages and answers, other content, on loopback."""

from sites.replicas import Replicas, serve_replicas

__all__ = ["Replicas", "serve_replicas"]
