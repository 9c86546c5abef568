"""Client of a Label Studio server, built on its SDK.

Listings use its transport and plain JSON: its task types are unions that lose fields
(``tasks.list`` with ``include``), and its pager treats a page that fails as the end of the list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from bodyshop_core.errors import MissingPartError
from labeling.server.connection import ServerError
from labeling.server.transport import LabelStudioTransport

OLDEST_RELEASE = (1, 17)
"""Oldest server release for which these calls are known to work."""

UPLOAD_LIMIT = 100
"""Files per upload; with more the server answers 500 (DATA_UPLOAD_MAX_NUMBER_FILES)."""

Task = dict[str, Any]


class ImageResponse(NamedTuple):
    """Response to a request for a picture: HTTP status, and whether a browser may show it.

    A labelling page may show a picture of another server only when that server allows it (Fetch
    standard, section 3.3, Access-Control-Allow-Origin).
    """

    status: int
    shown: bool


class LabelStudioClient(LabelStudioTransport):
    """The calls that push, pull, status and doctor need.

    Parameters
    ----------
    connection : Connection
        The server and the key.
    transport : httpx.BaseTransport, optional
        Used instead of the network, for tests.
    """

    def release(self) -> str:
        """Return the server's version, such as ``1.23.2``.

        Raises
        ------
        MissingPartError
            The server is older than `OLDEST_RELEASE`.
        """
        answer = self._json("GET", "api/version")
        release = str(answer.get("release", "")) if isinstance(answer, dict) else ""
        numbers = tuple(int(part) for part in release.split(".")[:2] if part.isdigit())
        if numbers < OLDEST_RELEASE:
            wanted = ".".join(map(str, OLDEST_RELEASE))
            raise MissingPartError(
                f"Label Studio at {self.connection.url} is version {release or 'unknown'}; "
                f"bodyshop needs {wanted} or newer",
                hint="upgrade it, or start the workspace's own server: bodyshop label serve",
            )
        return release

    def whoami(self) -> str:
        """Return the e-mail address of the key's owner; `MissingPartError` for a refused key."""
        return str(self._json("GET", "api/current-user/whoami").get("email", ""))

    def users(self) -> dict[int, str]:
        """Return user id -> e-mail address."""
        return {user["id"]: user["email"] for user in self._json("GET", "api/users/")}

    def project(self, project: int) -> dict[str, Any]:
        """Return a project's facts.

        Raises
        ------
        GoneError
            It was deleted.
        """
        answer: dict[str, Any] = self._json("GET", f"api/projects/{project}")
        return answer

    def find_project(self, title: str) -> dict[str, Any] | None:
        """Return the project with a title, the newest one when there are several."""
        page = self._json("GET", "api/projects", {"title": title, "page_size": 100})
        found = [each for each in page.get("results", []) if each.get("title") == title]
        return max(found, key=lambda each: each["id"], default=None)

    def create_project(self, title: str, xml: str, **options: Any) -> dict[str, Any]:
        """Create a project with a labelling configuration."""
        with self._translated_errors():
            project = self._sdk.projects.create(title=title, label_config=xml, **options)
        return self.project(int(project.id or 0))

    def update_project(self, project: int, **changes: Any) -> None:
        """Change a project's settings or configuration."""
        with self._translated_errors():
            self._sdk.projects.update(id=project, **changes)

    def used_values(self, project: int) -> dict[str, dict[str, int]]:
        """Return control -> value -> how many annotations and drafts use it."""
        summary = self._json("GET", f"api/projects/{project}/summary/")
        used: dict[str, dict[str, int]] = {}
        for kind in ("created_labels", "created_labels_drafts"):
            for control, values in (summary.get(kind) or {}).items():
                counts = used.setdefault(control, {})
                for value, count in values.items():
                    counts[value] = counts.get(value, 0) + count
        return used

    def serve_folder(self, project: int, folder: Path) -> None:
        """Let the server show the pictures of a folder on its disk; once per project is enough."""
        with self._translated_errors():
            stores = self._sdk.import_storage.local.list(project=project)
            if any(store.path == str(folder) for store in stores):
                return
            # The pattern matches no file: the folder becomes readable, but creates no tasks.
            self._sdk.import_storage.local.create(
                project=project, path=str(folder), regex_filter="^$", use_blob_urls=True,
                title="bodyshop pictures",
            )  # fmt: skip

    def upload(self, project: int, files: Sequence[Path]) -> list[str]:
        """Copy pictures to the server; return their paths there, in the same order."""
        if not 0 < len(files) <= UPLOAD_LIMIT:
            raise ValueError(f"upload takes 1 to {UPLOAD_LIMIT} files")
        types = [f"image/{file.suffix[1:].replace('jpg', 'jpeg')}" for file in files]
        parts = {
            f"f{n}": (file.name, file.read_bytes(), kind)
            for n, (file, kind) in enumerate(zip(files, types, strict=True))
        }
        answer = self._json(
            "POST", f"api/projects/{project}/import", {"commit_to_project": "false"},
            files=parts, once=True,
        )  # fmt: skip
        ids = answer["file_upload_ids"]
        listed = self._json("GET", f"api/projects/{project}/file-uploads", {"ids": json.dumps(ids)})
        # The server puts eight hexadecimal letters and a dash before the name.
        by_name = {Path(each["file"]).name[9:]: f"/data/{each['file']}" for each in listed}
        return [by_name[file.name] for file in files]

    def import_tasks(self, project: int, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Add tasks with their predictions. Not retried: the server would add them twice."""
        self._json(
            "POST", f"api/projects/{project}/import", {"return_task_ids": "true"},
            body=list(tasks), once=True,
        )  # fmt: skip

    def import_predictions(self, project: int, predictions: Sequence[Mapping[str, Any]]) -> None:
        """Add predictions to existing tasks. Not retried: the server would add them twice."""
        self._json(
            "POST", f"api/projects/{project}/import/predictions", body=list(predictions), once=True
        )

    def change_prediction(self, prediction: int, **changes: Any) -> None:
        """Change fields of a prediction, such as its score."""
        with self._translated_errors():
            self._sdk.predictions.update(id=prediction, **changes)

    def delete_prediction(self, prediction: int) -> None:
        """Delete one prediction."""
        with self._translated_errors():
            self._sdk.predictions.delete(id=prediction)

    def task(self, task: int) -> Task:
        """Return one task with its annotations, predictions and drafts."""
        answer: Task = self._json("GET", f"api/tasks/{task}")
        return answer

    def change_task(self, task: int, data: Mapping[str, Any]) -> None:
        """Replace the data of a task."""
        self._json("PATCH", f"api/tasks/{task}/", body={"data": dict(data)})

    def submit(self, task: int, body: Mapping[str, Any]) -> int:
        """Add an annotation to a task, as the *Submit* button does; return its id."""
        path = f"api/tasks/{task}/annotations/"
        return int(self._json("POST", path, body=dict(body), once=True)["id"])

    def delete_tasks(self, project: int, tasks: Sequence[int]) -> None:
        """Delete tasks with their annotations, predictions and drafts."""
        body = {"selectedItems": {"all": False, "included": list(tasks)}}
        self._json("POST", "api/dm/actions", {"id": "delete_tasks", "project": project}, body=body)

    def tasks_of(self, project: int, sha256s: Sequence[str]) -> list[Task]:
        """Return id and data of the tasks of some pictures."""
        wanted = list(sha256s)
        found: list[Task] = []
        for start in range(0, len(wanted), UPLOAD_LIMIT):
            part = wanted[start : start + UPLOAD_LIMIT]
            filters = [_filter("data.ext_id", "in_list", "String", part)]
            answer = self._tasks(project, filters, ("id", "data"), 1000, False, "tasks:id")
            found += [t for t in answer["tasks"] if (t.get("data") or {}).get("ext_id") in part]
        return found

    def delete_uploads(self, project: int, files: Sequence[str]) -> None:
        """Delete the records of uploaded pictures by their paths on the server."""
        if not files:
            return
        path = f"api/projects/{project}/file-uploads"
        listed = {each["file"]: each["id"] for each in self._json("GET", path, {"all": "true"})}
        for number in [listed[file] for file in files if file in listed]:
            self._transport.request(f"api/import/file-upload/{number}", method="DELETE")

    def backends(self, project: int) -> list[dict[str, Any]]:
        """Return the machine learning backends of a project."""
        found = self._json("GET", "api/ml/", {"project": project})
        # Whatever became of the query: a backend of another project is none of ours.
        return [backend for backend in found if backend.get("project") == project]

    def add_backend(
        self, project: int, *, url: str, title: str, description: str, user: str, password: str
    ) -> int:
        """Connect a backend, which the server asks for its health at once; return its number."""
        body = {
            "project": project,
            "url": url,
            "title": title,
            "description": description,
            "is_interactive": True,
            "auth_method": "BASIC_AUTH",
            "basic_auth_user": user,
            "basic_auth_pass": password,
        }
        number = int(self._json("POST", "api/ml/", body=body, once=True)["id"])
        # The server would tell it of every annotation, and wait for it when it has stopped.
        for hook in self._json("GET", "api/webhooks/", {"project": project}):
            if hook.get("url") == f"{url}/webhook":
                self._transport.request(f"api/webhooks/{hook['id']}/", method="DELETE")
        return number

    def remove_backend(self, backend: int) -> None:
        """Disconnect a backend; its predictions stay."""
        with self._translated_errors():
            self._transport.request(f"api/ml/{backend}", method="DELETE")

    def scan(
        self,
        project: int,
        include: Sequence[str],
        *,
        after: int = 0,
        since: str | None = None,
        page: int = 500,
        nested: bool = False,
    ) -> Iterator[list[Task]]:
        """Yield pages of tasks by ascending id; none is skipped when tasks are deleted meanwhile.

        Parameters
        ----------
        project : int
            Which one.
        include : sequence of str
            Fields of tasks, and of the annotations in them when `nested`.
        after : int
            Only tasks with a larger id.
        since : str, optional
            Only tasks that changed after this time of the server's clock.
        page : int
            Tasks per request.
        nested : bool
            Include annotations and computed columns.
        """
        while True:
            filters = [_filter("id", "greater", "Number", after)]
            if since is not None:
                filters.append(_filter("updated_at", "greater", "Datetime", since))
            answer = self._tasks(project, filters, include, page, nested, "tasks:id")
            tasks: list[Task] = answer["tasks"]
            if tasks:
                yield tasks
            if len(tasks) < page:
                return
            after = int(tasks[-1]["id"])

    def newest(self, project: int) -> tuple[str | None, int]:
        """Return when the project's tasks last changed, and their number."""
        answer = self._tasks(project, [], ("id", "updated_at"), 1, False, "-tasks:updated_at")
        return next((t["updated_at"] for t in answer["tasks"]), None), int(answer["total"])

    def last_task(self, project: int) -> Task | None:
        """Return id and data of the task with the largest id."""
        answer = self._tasks(project, [], ("id", "data"), 1, False, "-tasks:id")
        return next(iter(answer["tasks"]), None)

    def count(self, project: int, name: str, operator: str, kind: str, value: Any) -> int:
        """Count tasks that match one filter of the data manager."""
        filters = [_filter(name, operator, kind, value)]
        return int(self._tasks(project, filters, ("id",), 1, False, "tasks:id")["total"])

    def fetch(self, picture_url: str) -> ImageResponse:
        """Request a picture as a labeler's browser does; only this server receives the key."""
        import httpx

        base = self.connection.url
        relative = picture_url.startswith("/")
        url = f"{base}{picture_url}" if relative else urljoin(f"{base}/", picture_url)
        own = _origin(url) == _origin(base)
        headers = self._sdk._client_wrapper.get_headers() if own else {"Origin": _origin(base)}
        with self._translated_errors():
            request = httpx.Request("GET", url, headers=headers)
            response = self._http.send(request, stream=True)
            response.close()
        allowed = response.headers.get("access-control-allow-origin", "")
        return ImageResponse(response.status_code, own or allowed in {"*", _origin(base)})

    def _tasks(
        self,
        project: int,
        filters: list[dict[str, Any]],
        include: Sequence[str],
        page: int,
        nested: bool,
        order: str,
    ) -> dict[str, Any]:
        query = {"filters": {"conjunction": "and", "items": filters}, "ordering": [order]}
        answer = self._json(
            "GET",
            "api/tasks",
            {
                "project": project,
                "page": 1,
                "page_size": page,
                "fields": "all" if nested else "task_only",
                "include": ",".join(include),
                "query": json.dumps(query),
            },
        )
        if not isinstance(answer, dict) or not isinstance(answer.get("tasks"), list):
            raise ServerError("the task list of Label Studio has an unknown format")
        return answer


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _filter(name: str, operator: str, kind: str, value: Any) -> dict[str, Any]:
    return {
        "filter": f"filter:tasks:{name}", "operator": operator, "type": kind, "value": value
    }  # fmt: skip
