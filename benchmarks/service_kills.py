"""Kill -9 the service at random moments while clients correct it, and count what is there.

    python -m benchmarks.service_kills [--kills 200] [--writers 16] [--seed 1]

Writers predict and correct over HTTP, and try again until they are acknowledged. A quarter of the kills come within the
first second of a start, the others within a second of work. Prints one JSON document, or fails with what is wrong: an
acknowledged prediction or correction that is missing or doubled, a decision the ledger lacks, a damaged database.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from tests.serving.killing import kill_service
from tests.serving.running import free_port
from tests.serving.small_models import build_small_model, variant


def main() -> None:
    """Kill, look and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("kills", 200), ("writers", 16), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = vars(parser.parse_args())
    with tempfile.TemporaryDirectory() as folder:
        package = build_small_model(Path(folder) / "package")
        second = variant(package, Path(folder) / "second", data_version="second")
        begun = time.monotonic()
        found = kill_service(Path(folder) / "service", package, second, port=free_port(), **asked)
        print(json.dumps({**asked, **found, "seconds": round(time.monotonic() - begun), "load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
