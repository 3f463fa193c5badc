"""Kill promotions and rollbacks at many points and count what is left: `python benchmarks/promotion_kills.py [POINTS]`.

Each kill is a real SIGKILL of a process of its own, at a line of the promotion, ledger or registry code or a statement
of a database; a quarter of the points is spread over the whole command, the rest over the move itself.
"""

import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Prints one JSON document: kills, what was left, problems (none is the aim)."""
    points = sys.argv[1] if len(sys.argv) > 1 else "240"
    project = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run([sys.executable, "-m", "tests.promotion.killing", folder, points], cwd=project).returncode


if __name__ == "__main__":
    sys.exit(main())
