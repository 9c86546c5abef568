"""The order in which the server hands out tasks.

Label Studio's "Uncertainty sampling" hands out tasks by the score of their prediction, the lowest
first, looking only at predictions of the project's model version. It keeps the tasks, so that a
page that somebody has open stays valid; deleting and creating them in another order would not.
"""

from __future__ import annotations

from collections.abc import Mapping

from labeling.server.client import LabelStudioClient
from labeling.sync.project import Project

SAMPLING = "Uncertainty sampling"

STEP = 1e-6
"""Between two scores: the first million tasks come before those with a score of a model."""


def put_first(
    client: LabelStudioClient, project: Project, tasks: Mapping[int, str], version: str
) -> None:
    """Let the server hand out some tasks before all others, in this order.

    Parameters
    ----------
    client : LabelStudioClient
        The server.
    project : Project
        The project.
    tasks : mapping
        Numbers of the tasks, the first one first, and what their labelers read; empty: nothing new.
    version : str
        Model version of the project's predictions; a task without one gets an empty prediction.
    """
    missing = []
    for place, number in enumerate(tasks):
        score = (place + 1) * STEP
        task = client.task(number)
        text, data = tasks[number], task.get("data") or {}
        if text and data.get("question") != text:
            client.change_task(number, data | {"question": text})
        found = [
            each for each in task.get("predictions") or [] if each.get("model_version") == version
        ]
        for each in found:
            client.change_prediction(int(each["id"]), score=score)
        if not found:
            missing.append({"task": number, "result": [], "model_version": version, "score": score})
    if missing:
        client.import_predictions(project.remote_id, missing)
    client.update_project(
        project.remote_id, sampling=SAMPLING, show_collab_predictions=True, model_version=version
    )


def remove_predictions(client: LabelStudioClient, task: int, version: str) -> None:
    """Delete the predictions of a model version from a task."""
    for each in client.task(task).get("predictions") or []:
        if each.get("model_version") == version:
            client.delete_prediction(int(each["id"]))
