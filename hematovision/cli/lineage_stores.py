"""Every store that a lineage is read from."""

from hematovision.cli.zenml_history import zenml_history
from hematovision.config import RunConfig
from hematovision.database import database_url, open_database
from hematovision.home import Home
from hematovision.ledger import open_ledger
from hematovision.lineage.cells import open_index
from hematovision.lineage.from_cells import CellReader
from hematovision.lineage.from_dvc import PinReader
from hematovision.lineage.from_feedback import FeedbackReader
from hematovision.lineage.from_ledger import LedgerReader
from hematovision.lineage.from_mlflow import Registry, RegistryReader
from hematovision.lineage.from_runs import RunReader
from hematovision.lineage.graph import Reader


def lineage_readers(home: Home, config: RunConfig) -> list[Reader]:
    """Every store of a home, to be asked for a lineage."""
    registry = Registry(home)
    index = open_index(home)
    versions = registry.versions.values()
    ledger = LedgerReader(open_ledger(home, config.records.database), versions)
    records = database_url(config.records.database, home.databases / "feedback.db", named="records.database")
    return [
        RegistryReader(registry),
        CellReader(registry, index),
        RunReader(zenml_history(home)),
        PinReader(kept=home.data_versions),
        ledger,
        FeedbackReader(open_database(records), ledger),
    ]
