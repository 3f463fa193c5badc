"""Kill registrations, decisions, promotions and rollbacks at many points and count what is left.

    python benchmarks/promotion_kills.py [POINTS [moves|registrations|decisions]]

Each kill is a real SIGKILL of a process of its own, at a line of the promotion, ledger or registry code or a statement
of a database; a quarter of the points is spread over the whole command, the rest over what decides. Registrations are
those of a run, from the trained package to the verdict, of a toy model that is really packaged, logged and scored.
"""

import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Prints one JSON document: kills, what was left, problems (none is the aim)."""
    asked = sys.argv[1:] or ["240"]
    project = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run([sys.executable, "-m", "tests.promotion.killing", folder, *asked], cwd=project).returncode


if __name__ == "__main__":
    sys.exit(main())
