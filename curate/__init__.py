"""Which pictures stay, and why: measure, gate, deduplicate, judge, split, audit, report.

In every room of this package ``stage.py`` does the room's work on a whole workspace, and the other
modules are pure: what they return depends on their arguments only. A room's docstring names the
exceptions. Rooms import only those after them: pipeline, report, audit, splits, verdicts,
gate_fitting, overlap, duplicates, detection, gate, measure, policy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
