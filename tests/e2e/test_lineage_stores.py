"""What a lineage reads from the databases of a real run is what MLflow's and ZenML's own clients say of it."""

import json
import os
import subprocess
import sys
from typing import Any

COMPARE = """
import json
from hematovision.home import activate_home
home = activate_home()
from hematovision.cli.zenml_database import DatabaseHistory
from hematovision.cli.zenml_history import ClientHistory, zenml_history
from hematovision.lineage.mlflow_client import ClientTracking
from hematovision.lineage.mlflow_database import DatabaseTracking
read, asked = DatabaseTracking(home.tracking_uri), ClientTracking(home.tracking_uri)
versions = read.versions()
history, client = zenml_history(home), ClientHistory()
runs = history.runs()
print(json.dumps({
    "read": isinstance(history, DatabaseHistory),
    "versions": len(versions),
    "runs": len(runs),
    "data": sum(run.data_version is not None for run in runs),
    "same": {
        "versions": versions == asked.versions(),
        "tracked": [read.run(one.run_id) for one in versions] == [asked.run(one.run_id) for one in versions],
        "runs": runs == client.runs(),
        "steps": [list(history.steps(one.id).items()) for one in runs]
        == [list(client.steps(one.id).items()) for one in runs],
    },
}))
"""


def test_databases_tell_what_their_clients_tell(trained: dict[str, Any]) -> None:
    done = subprocess.run([sys.executable, "-c", COMPARE], capture_output=True, text=True, check=True, env=os.environ)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["read"] and told["versions"] and told["runs"] and told["data"]
    assert told["same"] == {"versions": True, "tracked": True, "runs": True, "steps": True}
