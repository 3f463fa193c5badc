"""Where all state lives: one folder beside the project, or where HEMATOVISION_HOME says."""

import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
CONFIGS = PROJECT / "configs"

QUIET = {
    "ZENML_ANALYTICS_OPT_IN": "false",
    "ZENML_LOGGING_VERBOSITY": "CRITICAL",
    "ZENML_ENABLE_RICH_TRACEBACK": "false",
    "ZENML_DEFAULT_ANALYTICS_OPT_IN": "false",
    "AUTO_OPEN_DASHBOARD": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # nine worker processes for judging language models
    "GX_ANALYTICS_ENABLED": "false",
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",
    "OPENVINO_TELEMETRY": "0",
    # Since 1.29 the Linux builds send model names and digests, and keep an identifier in the user's home.
    "ORT_DISABLE_TELEMETRY": "1",
    "GIT_PYTHON_REFRESH": "quiet",
    "PYTHONWARNINGS": "ignore",
}


@dataclass(frozen=True)
class Home:
    """The state folder and its rooms."""

    root: Path

    @property
    def images(self) -> Path:
        """Content-addressed bytes of every accepted cell."""
        return self.root / "images"

    @property
    def pictures(self) -> Path:
        """Content-addressed bytes of what the service was shown and people corrected."""
        return self.root / "pictures"

    @property
    def features(self) -> Path:
        """Frozen features, by content; safe to delete."""
        return self.root / "features"

    @property
    def checkpoints(self) -> Path:
        """Where trainings stand that have not ended; safe to delete."""
        return self.root / "checkpoints"

    @property
    def networks(self) -> Path:
        """What the networks of folds have learnt, by content: a retrain goes on from them."""
        return self.root / "networks"

    @property
    def golden(self) -> Path:
        """Frozen golden sets with their digests."""
        return self.root / "golden"

    @property
    def validation(self) -> Path:
        """The Great Expectations context and its Data Docs."""
        return self.root / "validation"

    @property
    def runs(self) -> Path:
        """One folder a run: reports, quarantine lists."""
        return self.root / "runs"

    @property
    def studies(self) -> Path:
        """Hyper-parameter searches: their database, and a folder each."""
        return self.root / "studies"

    @property
    def data_versions(self) -> Path:
        """Data versions whose bytes are kept, as a DVC repository."""
        return self.root / "data-versions"

    @property
    def data_remote(self) -> Path:
        """Where `data push` keeps them a second time, where no other remote is named."""
        return self.root / "data-remote"

    @property
    def databases(self) -> Path:
        """The sqlite files of the ledger, of feedback and of schedules, where no other database is named."""
        return self.root / "records"

    @property
    def champion_moving(self) -> Path:
        """There while a champion is being moved, so that every start can ask without opening a database."""
        return self.databases / "champion.moving"

    @property
    def unfinished(self) -> Path:
        """A mark for every registration, verdict and decision that is being written."""
        return self.databases / "unfinished"

    @property
    def webhook_key(self) -> Path:
        """The key that encrypts the secrets of webhooks in MLflow's database."""
        return self.root / "keys" / "webhooks.key"

    @property
    def baselines(self) -> Path:
        """References of sites, made of what the service answered there: a folder a model version and site."""
        return self.root / "baselines"

    @property
    def scheduled(self) -> Path:
        """Logs of scheduled runs: a folder a schedule, a file a firing."""
        return self.root / "scheduled"

    @property
    def tracking_uri(self) -> str:
        """MLflow's store: the user's own where set, else sqlite in this folder."""
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def artifacts(self) -> Path:
        """MLflow's artifacts, where the tracking store is the one in this folder."""
        return self.root / "mlflow-artifacts"


def locate_home() -> Home:
    """The home in force; nothing is written yet."""
    named = os.environ.get("HEMATOVISION_HOME")
    return Home(Path(named).expanduser().resolve() if named else PROJECT / ".hematovision")


def activate_home(environment: MutableMapping[str, str] | None = None) -> Home:
    """Make the home and point ZenML, torch and matplotlib at it; what a user has set stays as set.

    Call before the first import of zenml, mlflow, great_expectations or torch.
    """
    variables = os.environ if environment is None else environment
    home = locate_home()
    home.root.mkdir(parents=True, exist_ok=True)
    for name, value in QUIET.items():
        variables.setdefault(name, value)
    variables.setdefault("TORCH_HOME", str(home.root / "torch"))
    variables.setdefault("MPLCONFIGDIR", str(home.root / "matplotlib"))
    if home.webhook_key.is_file():
        variables.setdefault("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", home.webhook_key.read_text())
    if not any(name in variables for name in ("ZENML_CONFIG_PATH", "ZENML_STORE_URL")):
        variables["ZENML_CONFIG_PATH"] = str(home.root / "zenml")
        variables.setdefault("ZENML_LOCAL_STORES_PATH", str(home.root / "zenml" / "stores"))
        (home.root / "zenml").mkdir(exist_ok=True)
    return home
