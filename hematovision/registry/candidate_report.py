"""stub"""
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from collections.abc import Sequence
import numpy as np, pandas as pd
@dataclass(frozen=True)
class Candidate:
    manifest: pd.DataFrame
    quarantine: pd.DataFrame
    leakage: Any
    cross_validation: Any
    golden: Any
    probabilities: np.ndarray
    package: Path
    curves: Sequence[Any]
    version: Any
def candidate_report(c, config, store, *, pipeline_run): return "<html>Not a medical device<svg></svg></html>"
