"""The one reader of the environment; a frozen object that every function is handed."""

from datetime import date
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Where things live and how much of the machine may be used.

    Each field is read from the environment variable `FIRMPULSE_<FIELD>`.
    """

    model_config = SettingsConfigDict(env_prefix="FIRMPULSE_", frozen=True, extra="ignore")

    # Everything local lives under this folder and nothing else is written.
    home: Path = Path("var")
    # DuckDB, CatBoost and Polars threads; pinned because predictions depend on it.
    threads: int = Field(default=2, ge=1)
    # DuckDB spills to the home folder beyond this.
    memory_limit: str = Field(default="8GB", pattern=r"(?i)^[0-9]+(\.[0-9]+)? *[kmgt]i?b$")
    # Days after landing for which raw and quarantined rows stay in the vault; then masked ones go.
    raw_days: int = Field(default=30, ge=1)
    # A delivery of up to so many rows is assessed as soon as it comes in; larger ones at night.
    arrival_rows: int = Field(default=20_000, ge=0)
    # Keys; made in `home/keys` on a first local run where absent.
    vault_key: SecretStr | None = None
    warehouse_key: SecretStr | None = None
    token_key: SecretStr | None = None
    audit_key: SecretStr | None = None
    signing_key: SecretStr | None = None
    # Master keys before the present ones; `firmpulse vault rotate --master` alone reads them.
    old_vault_key: SecretStr | None = None
    old_warehouse_key: SecretStr | None = None
    # SQLAlchemy URL of grants and certificates; SQLite under the home folder by default.
    control_url: str | None = None
    # MLflow tracking URI; SQLite under the home folder by default.
    mlflow_uri: str | None = None
    # SQLAlchemy URL of Airflow's database; SQLite under the home folder by default.
    airflow_db_url: str | None = None
    # YAML file of the providers to pull from; `providers.yml` in the home folder by default.
    providers: Path | None = None
    # First day that the schedule serves by itself; `firmpulse up` sets it to the day it is called.
    schedule_from: date = date(2023, 1, 1)
    # Recipient that tonight's scores are made for.
    recipient: str = "demo-bank"

    @property
    def root(self) -> Path:
        """The home folder as an absolute path."""
        return self.home.expanduser().resolve()

    @property
    def inbox(self) -> Path:
        """What providers dropped, by source and delivery."""
        return self.root / "inbox"

    @property
    def providers_path(self) -> Path:
        """The file of providers; where there is none, nothing is pulled and nothing requested."""
        return (self.providers or self.root / "providers.yml").expanduser()

    @property
    def vault_path(self) -> Path:
        """Encrypted raw rows, firm directory, quarantine."""
        return self.root / "vault" / "vault.duckdb"

    @property
    def warehouse_path(self) -> Path:
        """Encrypted masked rows, facts, features, labels, run metadata."""
        return self.root / "warehouse" / "warehouse.duckdb"

    @property
    def scores_dir(self) -> Path:
        """Published scores: the DuckDB file and its Parquet twins."""
        return self.root / "scores"

    @property
    def scores_path(self) -> Path:
        """The published file that analysts open."""
        return self.scores_dir / "scores.duckdb"

    @property
    def reports_dir(self) -> Path:
        """Pages for people: the portfolio of each night, and reports of firms."""
        return self.root / "reports"

    @property
    def recipients_dir(self) -> Path:
        """Public keys of the recipients of result bundles, one file a recipient."""
        return self.root / "recipients"

    @property
    def keys_dir(self) -> Path:
        """Locally made keys, mode 0600."""
        return self.root / "keys"

    @property
    def data_docs(self) -> Path:
        """Great Expectations' static pages."""
        return self.root / "data_docs"

    @property
    def validation_dir(self) -> Path:
        """Validation packs of model versions, one page a version; aggregates only."""
        return self.root / "validation"

    @property
    def airflow_home(self) -> Path:
        """Airflow's own files."""
        return self.root / "airflow"

    @property
    def airflow_url(self) -> str:
        """SQLAlchemy URL of Airflow's database; of PostgreSQL with the driver that is installed."""
        return with_driver(self.airflow_db_url or f"sqlite:///{self.airflow_home / 'airflow.db'}")

    @property
    def run_dir(self) -> Path:
        """One file per running server: its process group and its address."""
        return self.root / "run"

    @property
    def logs_dir(self) -> Path:
        """What the servers wrote."""
        return self.root / "logs"

    @property
    def control_db_url(self) -> str:
        """SQLAlchemy URL of the control store."""
        return self.control_url or f"sqlite:///{self.root / 'control' / 'control.db'}"

    @property
    def audit_head_path(self) -> Path:
        """Sealed newest entry of the audit chain, outside the control store."""
        return self.root / "control" / "audit.head"

    @property
    def mlflow_tracking_uri(self) -> str:
        """MLflow tracking and registry URI."""
        return with_driver(self.mlflow_uri or f"sqlite:///{self.root / 'mlflow' / 'mlflow.db'}")

    @property
    def mlflow_artifacts(self) -> Path:
        """Folder of MLflow artifacts."""
        return self.root / "mlflow" / "artifacts"


def with_driver(url: str) -> str:
    """Return a URL that names psycopg where one of PostgreSQL names no driver."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if separator and scheme == "postgresql" else url
