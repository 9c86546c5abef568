"""Trials that Optuna proposes: fewer than a grid's, each after what the earlier ones came to."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from bodyshop_core.config import StrictModel
from bodyshop_core.errors import BodyshopError, MissingPartError
from bodyshop_core.processes import is_alive
from train.runs.trials import Trial

STORAGE_FILE = "search.sqlite"
"""In the sweep's folder, unless another storage is given."""

ENTRY, OWNER = "entry", "process"
"""What is kept with a trial of the study: its outcome, and which process trains it."""

AGAIN = "again"
"""What is kept with the study: numbers of the failed trials that were proposed a second time."""


class Range(StrictModel):
    """Numbers from `low` to `high`, both included; whole numbers where both are whole."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        if self.log and self.low <= 0:
            raise ValueError("with log, low must be above 0")
        return self


class Search(StrictModel):
    """How many trials to propose, and from what: dotted recipe key -> a range or a list."""

    trials: int = Field(default=20, ge=1, le=10_000)
    space: dict[str, Range | tuple[Any, ...]] = Field(min_length=1)


class StudySource:
    """The trials of an Optuna study that is kept in a database (see `train.runs.trials.Source`).

    A study belongs to one recipe, data, weights, settings and space: after any of them changed, a
    new one begins. It goes on where it was left, and several processes may work on it at a time.

    Parameters
    ----------
    search : Search
        What to propose.
    make : callable
        (overrides) -> Trial.
    name : str
        Of the sweep.
    base : str
        Key of the recipe before the search; see `train.runs.plan.plan_key`.
    folder : Path
        Of the sweep.
    storage : str or None
        Database URL instead of a SQLite file in `folder`.
    seed : int
        Of the proposals.

    Raises
    ------
    MissingPartError
        Optuna is not installed.
    BodyshopError
        The storage can't be opened.
    """

    def __init__(
        self,
        search: Search,
        make: Callable[[Mapping[str, Any]], Trial],
        *,
        name: str,
        base: str,
        folder: Path,
        storage: str | None,
        seed: int,
    ) -> None:
        self.total = search.trials
        self._make = make
        self._space = search.space
        text = json.dumps([base, search.model_dump(mode="json")["space"]], sort_keys=True)
        study = f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        self._study = _open_study(study, folder, storage, seed)
        self._numbers: dict[int, Any] = {}
        self._drop_abandoned()
        self._propose_failed_again()

    def ask(self) -> Trial | None:
        """Return the next proposal; None when all are trained or being trained."""
        from optuna.trial import TrialState

        self._drop_abandoned()  # what a process had that was killed since
        if len(self._counted()) >= self.total:
            return None
        proposed = self._study.ask(
            {key: _distribution(values) for key, values in self._space.items()}
        )
        # Others may have been counting at the same time: the numbers say who was first.
        if sum(number < proposed.number for number in self._counted()) >= self.total:
            self._study.tell(proposed, state=TrialState.FAIL)
            return None
        proposed.set_user_attr(OWNER, _owner())
        overrides = {
            key: value if isinstance(self._space[key], Range) else json.loads(value)
            for key, value in proposed.params.items()
        }
        trial = self._make(overrides)
        self._numbers[id(trial)] = (proposed, trial)
        return trial

    def tell(self, trial: Trial, entry: Mapping[str, Any]) -> None:
        """Report the validation loss, which is to be as low as possible."""
        from optuna.trial import TrialState

        proposed, _ = self._numbers.pop(id(trial))
        proposed.set_user_attr(ENTRY, {**entry, "overrides": dict(trial.overrides)})
        if entry["error"]:
            self._study.tell(proposed, state=TrialState.FAIL)
        else:
            self._study.tell(proposed, entry["loss"])

    def entries(self) -> list[dict[str, Any]]:
        """Return what the study's trials came to, also those of earlier calls, in order."""
        again = self._again()
        return [
            dict(each.user_attrs[ENTRY])
            for each in self._study.get_trials()
            if ENTRY in each.user_attrs and each.state.is_finished() and each.number not in again
        ]

    def _counted(self) -> list[int]:
        """Return the numbers of the trials that were trained or are being trained."""
        from optuna.trial import TrialState

        again = self._again()
        wanted = (TrialState.COMPLETE, TrialState.FAIL, TrialState.RUNNING)
        return [
            each.number
            for each in self._study.get_trials(deepcopy=False, states=wanted)
            if each.number not in again
            and (each.state != TrialState.FAIL or ENTRY in each.user_attrs)
        ]

    def _again(self) -> set[int]:
        return set(self._study.user_attrs.get(AGAIN, ()))

    def _propose_failed_again(self) -> None:
        """Propose what failed in an earlier call again: a full disk may be empty by now."""
        from optuna.trial import TrialState

        again = self._again()
        for each in self._study.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
            if ENTRY in each.user_attrs and each.number not in again:
                again.add(each.number)
                self._study.enqueue_trial(each.params)
        self._study.set_user_attr(AGAIN, sorted(again))

    def _drop_abandoned(self) -> None:
        """End the trials of processes of this machine that are gone, and propose them again."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        for each in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if _is_gone(each.user_attrs.get(OWNER, "")):
                # another process may end it at the same time, and proposes it again
                with contextlib.suppress(ValueError, UpdateFinishedTrialError):
                    self._study.tell(each.number, state=TrialState.FAIL)
                    self._study.enqueue_trial(each.params)


def _open_study(name: str, folder: Path, storage: str | None, seed: int) -> Any:
    try:
        import optuna
    except ImportError as error:
        raise MissingPartError(
            "a sweep with a search needs Optuna",
            hint='install it: pip install "bodyshop[search]"',
        ) from error
    optuna.logging.disable_default_handler()
    folder.mkdir(parents=True, exist_ok=True)
    url = storage or f"sqlite:///{folder / STORAGE_FILE}"
    try:
        study = optuna.create_study(
            storage=url, study_name=name, load_if_exists=True, direction="minimize"
        )
    except Exception as error:  # a driver that is missing, a server that is down, a damaged file
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise BodyshopError(
            f"the search's storage can't be opened: {reason}",
            hint="--storage takes a database URL, such as postgresql+psycopg://user@host/database",
        ) from error
    # Another seed at each call: the first proposals are random, and would be the same again.
    study.sampler = optuna.samplers.TPESampler(
        seed=seed + len(study.get_trials(deepcopy=False)), constant_liar=True
    )
    return study


def _distribution(values: Range | tuple[Any, ...]) -> Any:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if not isinstance(values, Range):
        return CategoricalDistribution([json.dumps(value, sort_keys=True) for value in values])
    if isinstance(values.low, int) and isinstance(values.high, int):
        return IntDistribution(values.low, values.high, log=values.log)
    return FloatDistribution(values.low, values.high, log=values.log)


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_gone(owner: str) -> bool:
    host, _, process = owner.rpartition(":")
    if host != socket.gethostname() or not process.isdigit():
        return False
    return not is_alive(int(process))
