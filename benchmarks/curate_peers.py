"""The peers on the files of curate_data.py; runs in the peer's own environment, without bodyshop.

python curate_peers.py imagededup|cleanvision|fastdup speed|copies|blur DIR OUT.json
"""

from __future__ import annotations

import importlib.abc
import json
import os
import resource
import sys
import tempfile
import types
from importlib.machinery import ModuleSpec
from pathlib import Path


def cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


class _Lenient(type):
    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn


class StandIn(metaclass=_Lenient):
    """A class with every attribute, that takes every argument; so do its instances."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __getattr__(self, name: str) -> type:
        return getattr(StandIn, name)


class StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds every module of torch and torchvision, which imagededup's hashing does not use."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Answer for the two packages only."""
        ours = name.split(".")[0] in {"torch", "torchvision"}
        return ModuleSpec(name, self, is_package=True) if ours else None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """Return a module with every attribute."""
        module = types.ModuleType(spec.name)
        module.__dict__["__getattr__"] = lambda name: getattr(StandIn, name)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run."""


def imagededup() -> object:
    # Its hashing needs no network, but importing the package imports torch: stand-ins will do.
    sys.meta_path.insert(0, StandInFinder())
    from imagededup.methods import PHash

    return PHash(verbose=False)


def fastdup_pairs(folder: Path) -> dict[str, object]:
    """Features, statistics and similarities of a folder, at fastdup's own threshold (0.9)."""
    os.environ["SENTRY_OPT_OUT"] = "1"
    import fastdup

    with tempfile.TemporaryDirectory() as work:
        tool = fastdup.create(work_dir=work, input_dir=str(folder))
        started = cpu_seconds()
        tool.run(nearest_neighbors_k=40, num_threads=1, overwrite=True, print_summary=False)
        used = cpu_seconds() - started
        table = tool.similarity(data=False)
        files = tool.annotations()
    names = (Path(name).name for name in files["filename"])
    name_of = dict(zip(files["index"], names, strict=True))
    found = [] if table is None else zip(table["from"], table["to"], strict=True)
    pairs = {tuple(sorted((name_of[a], name_of[b]))) for a, b in found}
    return {"cpu_seconds": used, "pictures": len(files), "pairs": sorted(pairs)}


def main() -> None:
    peer, task, folder, out = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    result: dict[str, object] = {}
    if peer == "imagededup":
        hasher = imagededup()
        started = cpu_seconds()
        encodings = hasher.encode_images(image_dir=str(folder), num_enc_workers=0)
        result["cpu_seconds"] = cpu_seconds() - started
        result["pictures"] = len(encodings)
        if task == "copies":
            found = hasher.find_duplicates(
                encoding_map=encodings, max_distance_threshold=10, num_dist_workers=0
            )
            result["pairs"] = sorted({tuple(sorted((a, b))) for a, bs in found.items() for b in bs})
    elif peer == "fastdup":
        result = fastdup_pairs(folder)
    else:
        from cleanvision import Imagelab

        lab = Imagelab(data_path=str(folder))
        started = cpu_seconds()
        lab.find_issues({"blurry": {}} if task == "blur" else None, n_jobs=1, verbose=False)
        result["cpu_seconds"] = cpu_seconds() - started
        result["pictures"] = len(lab.issues)
        if task == "blur":
            scores = lab.issues["blurry_score"]
            result["scores"] = {Path(name).name: float(s) for name, s in scores.items()}
    out.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
