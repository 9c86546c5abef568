"""Keeping the pictures that were meant: measure, gate, deduplicate, split, audit, report."""

from bodyshop.lazy import lazy_exports

_EXPORTS = {
    "Gate": "gate.opened",
    "GateScore": "gate.opened",
    "Policy": "policy",
    "audit": "auditing",
    "curate": "pipeline",
    "Detector": "detect_cars",
    "detect": "detect_cars",
    "discover_categories": "gate.discover",
    "evaluate_gate": "gate.evaluate",
    "explain": "explanation",
    "find_overlap": "duplicates.overlap",
    "fit_gate": "gate.fit",
    "judge": "judging",
    "load_gate": "gate.opened",
    "load_policy": "policy",
    "measure": "measuring",
    "open_gate": "gate.opened",
    "parse_policy": "policy",
    "score": "gate.scoring",
    "split": "splitting",
    "write_report": "report",
}

__all__ = sorted(_EXPORTS)

__getattr__ = lazy_exports(__name__, _EXPORTS)
