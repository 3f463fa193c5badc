"""The steps of a rehearsal as they are told: which one, what came of it, how long it took, where it failed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from hematovision.errors import HematoVisionError
from hematovision.progress import progress_bar


class StepTold(BaseModel):
    """One step that was done."""

    model_config = ConfigDict(frozen=True)

    title: str
    says: list[str]
    seconds: float


class WentWrong(HematoVisionError):
    """Something a rehearsal did failed; `log` is where more is said, `exit_code` that of what failed."""

    def __init__(self, reason: str, *, log: Path | None = None, exit_code: int = 1) -> None:
        super().__init__(reason)
        self.log = log
        self.exit_code = exit_code


class Story:
    """Tells each step when it begins and what came of it.

    Attributes:
        steps: those that ended well.
    """

    def __init__(self, tell: Callable[[str], None], logs: Path, headline: Callable[[str], None] | None = None) -> None:
        """Args: tell: what came of a step, a line at a time. headline: that one begins; without it told as well."""
        self._tell, self._headline = tell, headline or tell
        self._logs = logs
        self._begun = time.monotonic()
        self._says: list[str] = []
        self.steps: list[StepTold] = []

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._begun

    def say(self, sentence: str) -> None:
        """Something that came of the step under way."""
        self._says.append(sentence)
        self._tell(f"          {sentence}")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step.

        Raises:
            WentWrong: it failed; says which step it was and where to read on.
        """
        minutes, seconds = divmod(int(self.seconds), 60)
        self._headline(f"{minutes:3d}:{seconds:02d}  {len(self.steps) + 1:2d}. {title}")
        begun, self._says = time.monotonic(), []
        try:
            with progress_bar(f"step {len(self.steps) + 1}"):
                yield
        except HematoVisionError as error:
            log = getattr(error, "log", None) or self._logs
            told = f"Step {len(self.steps) + 1} ({title}) failed: {error} Read on in {log}."
            raise WentWrong(told, log=log, exit_code=error.exit_code) from error
        self.steps.append(StepTold(title=title, says=self._says, seconds=round(time.monotonic() - begun, 1)))
