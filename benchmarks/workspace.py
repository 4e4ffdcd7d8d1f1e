"""What the steps of one benchmark share: a folder, a seed, sizes, a database, and the automation they all work for.

What belongs here: where things are, and how many of them. What does not: making or measuring anything (`steps/`).
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resources.database import Database
    from resources.declarations import Declared
    from resources.lake import Lake

PROJECT = Path(__file__).resolve().parent.parent
DECLARATION = PROJECT / "aios_assets" / "defs" / "customer_escalations" / "defs.yaml"
BANKING77 = PROJECT.parent / "shared" / "data" / "tickets"

# The sandbox's clock: a fixed moment in the past, so that the same seed gives the same bytes on every day it is run.
UNTIL = datetime(2025, 6, 2, tzinfo=UTC)
NEW_DAYS = 14
HISTORY_DAYS = 28
MAX_TRAINED = 5_000
MODEL_VERSION = 1
SETTINGS_FILE = "workspace.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One benchmark's folder. `rows` tickets land; the newer half of them is new to the platform and gets decided."""

    folder: Path
    rows: int
    seed: int
    database_url: str | None = None

    @property
    def new(self) -> int:
        """Tickets of the new window: those with features, scores and decisions."""
        return self.rows // 2

    @property
    def history(self) -> int:
        """Older tickets, which are training material."""
        return self.rows - self.new

    @property
    def trained(self) -> int:
        """Rows the model is fitted on; its quality is not what is measured here."""
        return min(self.history, MAX_TRAINED)

    @property
    def tickets_parquet(self) -> Path:
        return self.folder / "tickets.parquet"

    @property
    def tickets_csv(self) -> Path:
        return self.folder / "tickets.csv"

    @property
    def customers_csv(self) -> Path:
        return self.folder / "customers.csv"

    @property
    def start_date(self) -> date:
        """First day partition."""
        return (UNTIL - timedelta(days=NEW_DAYS)).date()

    def days(self) -> list[date]:
        """The day partitions of the new window."""
        return [self.start_date + timedelta(days=n) for n in range(NEW_DAYS)]

    def lake(self) -> "Lake":
        from resources.lake import Lake

        return Lake(self.folder / "lake")

    def database(self) -> "Database":
        from resources.database import Database

        if self.database_url is None:
            raise RuntimeError("this step needs the database, but the plan did not say so; correct `plan.py`")
        database = Database(self.database_url)
        with database.connection() as connection:  # the pool is opened at first use, which no step should pay for
            connection.execute("select 1")
        return database

    def declared(self, *, tickets: Path | None = None) -> "Declared":
        """`customer_escalations` as the project declares it, with its two systems replaced by files."""
        from dataclasses import replace

        from aios_core.automation import Automation
        from resources.declarations import load_declaration

        declared = load_declaration(DECLARATION)
        content = declared.automation.model_dump(mode="json")
        content["start_date"] = self.start_date.isoformat()
        content["sources"] = {
            "helpdesk": {
                "connector": "file",
                "provides": "tickets",
                "path": str(tickets or self.tickets_parquet),
                "id_column": "ticket_id",
                "mapping": {
                    "created_at": "created_at",
                    "resolved_at": "resolved_at",
                    "status": {"constant": "solved"},
                    "queue": "queue",
                    "customer_id": "customer_id",
                },
            },
            "crm": {
                "connector": "file",
                "provides": "customers",
                "path": str(self.customers_csv),
                "id_column": "customer_id",
                "mapping": {n: n for n in ("updated_at", *(f.name for f in declared.automation.features.customer))},
            },
        }
        # a file's tickets are resolved when they come
        content["decisions"]["tickets"] = "all"
        # a run with few rows must still have a model
        content["model"]["training"]["min_rows"] = 20
        return replace(declared, automation=Automation.model_validate(content))

    def save(self) -> None:
        """For the steps' processes, which are given nothing but the folder."""
        content = {**asdict(self), "folder": str(self.folder)}
        (self.folder / SETTINGS_FILE).write_text(json.dumps(content), encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> "Workspace":
        content = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        return Workspace(**{**content, "folder": Path(content["folder"])})
