"""What a command loads before it is known to be needed."""

import os
import subprocess
import sys
from pathlib import Path

ENGINES = ("numpy", "pandas", "PIL", "scipy", "cv2", "torch", "sqlalchemy")
STORES = ("zenml", "mlflow", "evidently", "great_expectations", "sklearn", "dvc")


def loaded(code: str, *, home: Path | None = None) -> set[str]:
    """Which heavy libraries a fresh process has loaded after running some code."""
    told = f"import sys; {code}; print(*(name for name in {ENGINES + STORES} if name in sys.modules), file=sys.stderr)"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ZENML_", "MLFLOW_"))}
    environment = kept | ({"HEMATOVISION_HOME": str(home)} if home else {})
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, env=environment)
    return set(done.stderr.split())


def test_the_configuration_loads_no_engine() -> None:
    assert loaded("from hematovision.config import load_config; load_config()") == set()


def test_the_commands_load_no_engine() -> None:
    assert loaded("import hematovision.cli.application") == set()


def test_the_stores_of_a_lineage_load_nothing_that_a_home_may_not_need() -> None:
    assert loaded("import hematovision.cli.lineage_stores") == {"sqlalchemy"}
