"""`firmpulse consent honour`, and the erasure that a withdrawal by command does itself."""

from collections.abc import Sequence
from typing import Annotated

import typer

from cli.progress import make_console
from consent import audit
from consent.ledger import Ledger
from erasure import bounds
from erasure import honour as honouring
from firmpulse import clock
from firmpulse.airflow import dagrun, services
from firmpulse.errors import ConfigurationError, ConfirmationNeeded, FileHeldError
from firmpulse.settings import Settings

_DAG = "honour_revocations"


def honour(
    confirm: Annotated[
        int | None,
        typer.Option(metavar="FIRMS", min=1, help="Confirm how many firms are to be erased today."),
    ] = None,
    because: Annotated[
        str | None, typer.Option(help="Why that is right, in words; kept in the audit chain.")
    ] = None,
) -> None:
    """Erase all firms whose authorisation has ended by today. 删除授权已终止的数据.

    Erasing more firms at once than the bound needs confirmation: their number, and why.
    """
    settings, console = Settings(), make_console()
    if (confirm is None) != (because is None):
        raise ConfigurationError("--confirm and --because belong together: how many, and why")
    if confirm is not None and because is not None:
        bounds.confirm(settings, confirm, because=because, actor=audit.actor())
    due = honouring.allowed(settings)
    if not due:
        console.print("No firm is due 没有待删除的企业.")
        return
    try:
        _run(settings, {})
    except FileHeldError as held:
        console.print(
            f"{len(due)} firms are due: the running night or the DAG {_DAG} erases them ({held}) "
            f"数据随后删除并出具证明", highlight=False,
        )  # fmt: skip
        return
    console.print(f"erased, each with a certificate 已删除并出具证明: {len(due)} firms")


def erase_now(settings: Settings, token: str, ended: Sequence[str]) -> str:
    """Erase what one firm has just withdrawn, and no other firm; return a sentence for the firm.

    Where a scheduler or another run works on the home folder, it does the erasure.
    """
    try:
        honouring.allowed(settings, [token])
        _run(settings, {"firm": token})
    except ConfirmationNeeded as stop:
        return f"blocked from this moment 即刻停止使用; the data are not erased yet: {stop}"
    except FileHeldError:
        return (
            "blocked from this moment; the running night or the DAG honour_revocations erases the "
            "data and writes the certificate 即刻停止使用，数据随后删除并出具证明"
        )
    issued = [
        certificate.certificate_id
        for certificate in Ledger(settings).certificates(token)
        if set(ended) <= set(certificate.authorization_ids)
    ]
    return f"erased, certificate 已删除，证明编号 {', '.join(issued)}"


def _run(settings: Settings, conf: dict[str, str]) -> None:
    if services.is_running(settings, "airflow-scheduler"):
        raise FileHeldError("Airflow owns the runs of this home folder")
    dagrun.run_dag(settings, _DAG, {"on": clock.today().isoformat(), **conf})
