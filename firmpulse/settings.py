"""The only reader of the environment; a frozen object that is passed to every function."""

from datetime import date
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Where files are, and how much of the machine may be used.

    Each field is read from the environment variable `FIRMPULSE_<FIELD>`.
    """

    model_config = SettingsConfigDict(
        env_prefix="FIRMPULSE_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    home: Path = Path("var")
    """Folder of all local files; nothing is written elsewhere."""
    threads: int = Field(default=2, ge=1)
    """Threads of DuckDB, CatBoost and Polars; predictions depend on it."""
    memory_limit: str = Field(default="8GB", pattern=r"(?i)^[0-9]+(\.[0-9]+)? *[kmgt]i?b$")
    """Memory of DuckDB before it spills, encrypted, to the home folder."""
    raw_days: int = Field(default=30, ge=1)
    """Days for which masked raw rows and quarantined rows stay in the vault after landing."""
    arrival_rows: int = Field(default=20_000, ge=0)
    """Deliveries of up to this many rows are assessed on arrival; larger ones at night."""
    clock_days: int = Field(default=45, ge=1)
    """Days that the clock may be ahead of the audit chain before a person must confirm it."""
    erasure_share: float = Field(default=0.1, gt=0, le=1)
    """Share of firms with grants; erasing more of them at once needs a person's confirmation."""
    erasure_firms: int = Field(default=20, ge=1)
    """This many firms may always be erased at once without a person's confirmation."""
    vault_key: SecretStr | None = None
    """Master key of the vault, 64 hexadecimal digits; made in `keys/` by default on a first run."""
    warehouse_key: SecretStr | None = None
    """Master key of the warehouse, 64 hexadecimal digits; made in `keys/` by default."""
    token_key: SecretStr | None = None
    """Keys of the tokens, one per version, with commas between; made in `keys/` by default."""
    audit_key: SecretStr | None = None
    """Key of the audit chain, 64 hexadecimal digits; made in `keys/` by default."""
    signing_key: SecretStr | None = None
    """Key that signs result bundles, 64 hexadecimal digits; made in `keys/` by default."""
    old_vault_key: SecretStr | None = None
    """Former master key of the vault; only `vault rotate --master` reads it."""
    old_warehouse_key: SecretStr | None = None
    """Former master key of the warehouse; only `vault rotate --master` reads it."""
    control_url: str | None = None
    """SQLAlchemy URL of grants, certificates and the audit chain; SQLite in the home by default."""
    mlflow_uri: str | None = None
    """Tracking and registry URI of MLflow; SQLite in the home folder by default."""
    airflow_db_url: str | None = None
    """SQLAlchemy URL of Airflow's database; SQLite in the home folder by default."""
    providers: Path | None = None
    """YAML file of the providers to pull from; `providers.yml` in the home folder by default."""
    schedule_from: date = date(2023, 1, 1)
    """First date of the schedule, not after today; `up` sets it to the current day."""
    recipient: str = "demo-bank"
    """Lender for which the scores are made."""

    @property
    def root(self) -> Path:
        """The home folder as an absolute path."""
        return self.home.expanduser().resolve()

    @property
    def inbox(self) -> Path:
        """Files from providers, by source and delivery."""
        return self.root / "inbox"

    @property
    def providers_path(self) -> Path:
        """The file of providers; without it, nothing is pulled or requested."""
        return (self.providers or self.root / "providers.yml").expanduser()

    @property
    def mappings_dir(self) -> Path:
        """Mappings of files that come in their provider's own shape."""
        return self.root / "mappings"

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
        """Published scores: the DuckDB file and its Parquet copies."""
        return self.root / "scores"

    @property
    def scores_path(self) -> Path:
        """The published file that analysts open."""
        return self.scores_dir / "scores.duckdb"

    @property
    def reports_dir(self) -> Path:
        """HTML pages: the portfolio of each night, and reports of firms."""
        return self.root / "reports"

    @property
    def recipients_dir(self) -> Path:
        """Public keys of the recipients of result bundles, one file per recipient."""
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
        """Validation packs of model versions, one page per version; aggregates only."""
        return self.root / "validation"

    @property
    def spark_dir(self) -> Path:
        """Masked rows for Spark and the tables it built; an erasure removes all of it."""
        return self.root / "spark"

    @property
    def airflow_home(self) -> Path:
        """Airflow's files."""
        return self.root / "airflow"

    @property
    def airflow_url(self) -> str:
        """SQLAlchemy URL of Airflow's database; for PostgreSQL with the installed driver."""
        return with_driver(self.airflow_db_url or f"sqlite:///{self.airflow_home / 'airflow.db'}")

    @property
    def run_dir(self) -> Path:
        """One file per running server: its process group and its address."""
        return self.root / "run"

    @property
    def logs_dir(self) -> Path:
        """Output of the servers."""
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
    """Return the URL, with psycopg if a PostgreSQL URL names no driver."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if separator and scheme == "postgresql" else url
