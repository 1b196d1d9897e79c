"""`firmpulse consent …`: a firm's authorisations, in English and Chinese."""

from datetime import date
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import erasing, grant_files
from cli.dates import parsed, text_not_ahead
from cli.firms import identifier_of
from cli.progress import make_console
from consent import audit, intake, offers
from consent.certificates import Certificate
from consent.codes import Codes
from consent.grants import PURPOSES, identifier
from consent.ledger import Ledger
from consent.offers import known
from consent.wording import bilingual
from firmpulse.errors import GrantError
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from firmpulse.sources import GRANTED_SOURCES

app = typer.Typer(
    no_args_is_help=True, help="Grant, look at and revoke a firm's authorisations. 企业授权管理"
)
_Firm = Annotated[str, typer.Argument(help="Unified social credit code, or scheme:value.")]
_Sources = Annotated[list[str] | None, typer.Option("--source", help="Repeat for several.")]
_Purposes = Annotated[list[str] | None, typer.Option("--purpose", help="Repeat for several.")]
_Day = Annotated[
    str | None,
    typer.Option(metavar="DATE", callback=text_not_ahead, help="Default: today; never later."),
]


@app.command()
def grant(
    firm: _Firm,
    source: _Sources = None,
    purpose: _Purposes = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="The four main sources for assessment and monitoring."),
    ] = False,
    begin: Annotated[str | None, typer.Option("--from", metavar="DATE", help="First day.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Last day.")] = None,
    window_start: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="First day of history; default: bank 6 months, others 36."
        ),
    ] = None,
    keep_results: Annotated[
        bool, typer.Option("--keep-results", help="Results in use may stay after the grant ends.")
    ] = False,
    recipient: Annotated[str | None, typer.Option(help="Who may use the data.")] = None,
    role: Annotated[str, typer.Option(help="Who signed.")] = "legal_representative",
) -> None:
    """Record what a firm has signed. Model training must be named. 登记授权.

    Bank accounts and a founder's credit need separate consent. Name them, or use --all, only
    where it was given.
    """
    if not everything and not source:
        raise GrantError("name what is granted: --all, or --source and --purpose")
    settings = Settings()
    named = identifier(firm, Codes(settings).problem)
    offered = offers.offer(
        named,
        [*(offers.USUAL_SOURCES if everything else ()), *(source or ())],
        [*(offers.USUAL_PURPOSES if everything or not purpose else ()), *(purpose or ())],
        recipient=recipient or settings.recipient,
        valid_from=parsed(begin),
        valid_to=parsed(until) if until else None,
        window_start=parsed(window_start) if window_start else None,
        keep_results=keep_results,
        grantor_role=role,
    )
    ledger, token = Ledger(settings), _token(settings, named)
    wanted = offers.new_among(offered, ledger.status(token, parsed(begin)))
    intake.admit(settings, wanted, actor=audit.actor())
    console = make_console()
    console.print(
        f"[green]granted 已授权[/] {len(wanted)}; "
        f"already in force 已在授权中 {len(offered) - len(wanted)}"
    )
    if any(new.separate_consent for new in wanted):
        console.print("separate consent recorded 已登记单独同意: financial accounts 金融账户 / "
                      "natural person 自然人")  # fmt: skip
    _show_status(settings, token, parsed(begin), console)
    console.print("Withdraw at any time 可随时撤回: firmpulse consent revoke FIRM")


@app.command()
def status(firm: _Firm, on: _Day = None) -> None:
    """Show a firm's grants, their state and its deletion certificates. 查询授权状态."""
    settings = Settings()
    token = _token(settings, identifier_of(settings, firm))
    _show_status(settings, token, parsed(on), make_console())


@app.command()
def history(firm: _Firm) -> None:
    """Show the history of a firm's grants. 授权历史."""
    settings = Settings()
    found = Ledger(settings).history(_token(settings, identifier_of(settings, firm)))
    table = _table("time (UTC)|时间", "event|事件", "source|来源", "purpose|目的",
                   "by, reason|操作人、原因", "authorisation|授权编号")  # fmt: skip
    for row in found.rows(named=True):
        table.add_row(
            row["at"][:19].replace("T", "\n"), bilingual(row["event"], "\n"),
            bilingual(row["source"], "\n"), bilingual(row["purpose"], "\n"),
            escape(f"{row['actor']}\n{row['reason'] or ''}"), escape(row["authorization_id"]),
        )  # fmt: skip
    make_console().print(table if found.height else _NOTHING)


@app.command()
def certificate(certificate_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show a deletion certificate: what was deleted where. 删除证明."""
    _show_certificate(Ledger(Settings()).certificate(certificate_id), make_console())


@app.command()
def revoke(
    firm: _Firm,
    source: _Sources = None,
    purpose: _Purposes = None,
    authorization: Annotated[str | None, typer.Option(help="One grant, by its id.")] = None,
    reason: Annotated[
        str | None, typer.Option(help="In words, without names and numbers; optional.")
    ] = None,
    on: _Day = None,
) -> None:
    """Withdraw all of a firm's grants, or the chosen ones; its data are erased. 撤回授权.

    Only this firm is erased, even if others are due.
    """
    settings, console = Settings(), make_console()
    token = _token(settings, identifier_of(settings, firm))
    ended = Ledger(settings).revoke(
        token,
        on=parsed(on),
        sources=known("source", source, GRANTED_SOURCES) if source else None,
        purposes=known("purpose", purpose, PURPOSES) if purpose else None,
        authorization_id=authorization,
        actor=audit.actor(),
        reason=reason,
    )
    if not ended:
        console.print("Nothing in force to revoke 没有可撤回的授权.")
        return
    console.print(f"[yellow]revoked 已撤回[/] {len(ended)}: {escape(', '.join(ended))}")
    console.print(erasing.erase_now(settings, token, ended), markup=False)


def _show_status(settings: Settings, token: str, on: date, console: Console) -> None:
    ledger = Ledger(settings)
    found = ledger.status(token, on)
    if found.is_empty():
        console.print(_NOTHING)
        return
    table = _table("source|来源", "purpose|目的", "state|状态", "period|期限", "data from|数据起始",
                   "results|结果", "authorisation, recipient|授权编号、接收方")  # fmt: skip
    table.title = f"Authorisations on {on} 授权状态"
    for row in found.rows(named=True):
        colour = "green" if row["state"] == "ACTIVE" else "dim"
        table.add_row(
            bilingual(row["source"], "\n"), bilingual(row["purpose"], "\n"),
            f"[{colour}]{bilingual(row['state'], chr(10))}[/]",
            f"{row['valid_from']}\n{row['valid_to']}", str(row["window_start"]),
            "kept\n保留" if row["keep_results"] else "erased\n删除",
            escape(f"{row['authorization_id']}\n{row['recipient']}"),
        )  # fmt: skip
    console.print(table)
    for issued in ledger.certificates(token):
        console.print(
            f"deletion certificate 删除证明 {issued.certificate_id} ({issued.on}): "
            f"firmpulse consent certificate {issued.certificate_id}"
        )


def _show_certificate(issued: Certificate, console: Console) -> None:
    table = Table("place 位置", "rows deleted 删除行数",
                  title=f"Deletion certificate 删除证明 {issued.certificate_id}")  # fmt: skip
    for place, rows in sorted(issued.deleted.items()):
        table.add_row(escape(place), f"{rows:,}")
    console.print(table)
    models = ", ".join(issued.model_versions) or "none 无"
    for name, value in (
        ("firm (token) 企业代码", issued.firm_id),
        ("deleted on 删除日期", str(issued.on)),
        ("sources 来源", ", ".join(bilingual(name) for name in issued.sources)),
        ("scope 范围", issued.scope),
        ("authorisations 授权编号", ", ".join(issued.authorization_ids)),
        ("models trained on it 曾使用该数据的模型", models),
        ("audit entry 审计记录", issued.audit_hash),
    ):
        console.print(f"[bold]{name}[/]  {escape(value)}")


def _table(*headers: str) -> Table:
    """Return a table whose headers are English over Chinese."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for header in headers:
        table.add_column(header.replace("|", "\n"), overflow="fold")
    return table


_NOTHING = "This firm has no grants 该企业没有授权记录."


def _token(settings: Settings, firm: str) -> str:
    return str(tokens.firm_token(keyring.load(settings, "token_key"), firm))


app.command()(erasing.honour)
app.command("import")(grant_files.import_file)
app.command("template")(grant_files.write_template)
app.command("grant-dataset")(grant_files.grant_dataset)
