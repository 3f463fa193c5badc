"""What a command loads before it is known to be needed."""

import subprocess
import sys

HEAVY = ("zenml", "mlflow", "torch", "sklearn", "evidently", "great_expectations")


def test_the_stores_of_a_lineage_load_nothing_that_a_home_may_not_need() -> None:
    told = f"import sys, hematovision.cli.lineage_stores; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
