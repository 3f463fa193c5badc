"""Learning curves."""

from pydantic import BaseModel, ConfigDict


class Epoch(BaseModel):
    """One row of the learning curves; losses are mean cross-entropies in nats."""

    model_config = ConfigDict(frozen=True)

    phase: str
    epoch: int
    training_loss: float
    validation_loss: float
    validation_accuracy: float
