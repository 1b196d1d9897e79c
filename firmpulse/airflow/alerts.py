"""Alerts people when a task has finally failed: by webhook or mail, as a Connection defines.

Without the Connection `firmpulse_alerts` no alert is sent. Airflow still shows the failure: the
message is the task's XCom `error`, which the run's note includes.
"""

import json
import logging
import urllib.request
from collections.abc import Mapping
from typing import Any

from firmpulse.airflow import advice
from firmpulse.airflow.asof import resolve
from firmpulse.errors import told
from firmpulse.settings import Settings

CONNECTION = "firmpulse_alerts"
# XCom of a failed task.
ERROR = "error"
_SECONDS = 10.0
_logger = logging.getLogger(__name__)


def task_failed(context: Mapping[str, Any]) -> None:
    """Send what failed and why; Airflow calls it when no retry is left. It never raises."""
    try:
        context["ti"].xcom_push(key=ERROR, value=_why(context))
    except Exception as error:
        _logger.warning("the run's note lacks the error: %s", type(error).__name__)
    try:
        connection = _connection()
        if connection is not None:
            _send(connection, message(context))
    except Exception as error:
        _logger.warning("no alert was sent about the failure: %s", type(error).__name__)


def message(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the alert; it contains no secret and no row of a firm.

    Args:
        context: the failed task's context, as Airflow passes it to callbacks.

    Returns:
        text for people, with the whole message; for machines dag_id, run_id, task_id, as_of,
        try_number, error, again (the command that runs it again), log_url.
    """
    task = context["ti"]
    part = task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]"
    why, as_of = _why(context), _as_of(context)
    again = _again(context, task.dag_id, as_of)
    return {
        "text": f"Firmpulse: {part} of {task.dag_id} failed"
        f"{f' (as of {as_of})' if as_of else ''}: {why}\nOnce that is fixed: {again}",
        "dag_id": task.dag_id,
        "run_id": task.run_id,
        "task_id": part,
        "as_of": as_of,
        "try_number": task.try_number,
        "error": why,
        "again": again,
        "log_url": getattr(task, "log_url", None),
    }


def _why(context: Mapping[str, Any]) -> str:
    error = context.get("exception")
    return told(error) if isinstance(error, BaseException) else "it was terminated from outside"


def _again(context: Mapping[str, Any], dag_id: str, as_of: str | None) -> str:
    params = context.get("params") or {}
    given = {name: value for name in params if (value := params[name]) is not None}
    date_of_run = {} if as_of is None else {"on" if "on" in params else "as_of": as_of}
    return advice.run(Settings(), dag_id, given | date_of_run)


def _as_of(context: Mapping[str, Any]) -> str | None:
    try:
        params = context.get("params") or {}
        return resolve(params.get("as_of") or params.get("on"), context.get("data_interval_end"))
    except Exception:
        return None


def _connection() -> Any:
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return Connection.get(CONNECTION)
    except AirflowNotFoundException:
        return None


def _send(connection: Any, content: dict[str, Any]) -> None:
    if connection.conn_type == "smtp":
        _mail(content)
        return
    # A webhook address has its secret in the path, so it may be given as the password.
    address = connection.password or connection.get_uri()
    request = urllib.request.Request(  # noqa: S310 - an operator's own address
        address,
        data=json.dumps(content).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=_SECONDS):  # noqa: S310 - as above
        pass


def _mail(content: dict[str, Any]) -> None:
    from html import escape

    from airflow.providers.smtp.hooks.smtp import SmtpHook

    with SmtpHook(smtp_conn_id=CONNECTION) as hook:
        receivers = hook.smtp_connection.extra_dejson["to_email"]
        lines = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>"
            for name, value in content.items()
            if name != "text" and value is not None
        )
        hook.send_email_smtp(
            to=receivers,
            subject=content["text"].splitlines()[0][:150],
            html_content=f"<pre>{escape(content['text'])}</pre><table>{lines}</table>",
        )
