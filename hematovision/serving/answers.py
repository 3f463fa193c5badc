"""From what a network says to what the service answers and keeps; the policy of when to refer to a person."""

from collections.abc import Sequence
from dataclasses import dataclass

from hematovision.evaluation.prediction_sets import named
from hematovision.feedback.records import Item, Prediction
from hematovision.registry.predictor import Answers
from hematovision.serving.engine import ServedModel
from hematovision.serving.schemas import Answered, FeedbackTaken, ModelIdentity
from hematovision.serving.settings import ReferralSettings


@dataclass(frozen=True)
class Asker:
    """On whose behalf a picture is answered: the name of the key, and where the cell is from, where known."""

    client: str
    site: str | None = None
    slide: str | None = None


def identity(model: ServedModel) -> ModelIdentity:
    """A served model as it is told to clients."""
    specification = model.specification
    return ModelIdentity(
        name=model.version.name,
        version=model.version.version,
        digest=model.digest,
        data_version=specification.data_version,
        synthetic=specification.synthetic,
        classes=specification.classes,
    )


def chances(model: ServedModel, answers: Answers) -> dict[str, float]:
    """Calibrated probabilities of one answer, by class."""
    return dict(zip(model.specification.classes, answers.probabilities[0].tolist(), strict=True))


def referral(
    label: str, probability: float, possible: Sequence[str], *, unlike_training: bool, policy: ReferralSettings
) -> list[str]:
    """Why a person should look; empty where the answer may stand."""
    reasons = []
    if policy.unlike_training and unlike_training:
        reasons.append("the picture is unlike anything the model was trained on")
    if policy.set_larger_than is not None and len(possible) > policy.set_larger_than:
        reasons.append(f"{len(possible)} classes cannot be excluded: {', '.join(possible)}")
    if policy.probability_below is not None and probability < policy.probability_below:
        reasons.append(f"the probability is below {policy.probability_below:g}")
    if label in policy.labels:
        reasons.append(f"a person looks at every {label}")
    return reasons


def record(
    model: ServedModel, answers: Answers, image: str, asker: Asker, policy: ReferralSettings
) -> tuple[Prediction, list[str]]:
    """One answer as it is kept, and why it refers to a person.

    Args:
        answers: of one picture. image: SHA-256 of the picture's bytes.
    """
    by_class = chances(model, answers)
    label = max(by_class, key=by_class.__getitem__)
    possible = named(answers.sets, answers.probabilities, model.specification.classes)[0]
    unlike = bool(answers.unlike_training[0])
    because = referral(label, by_class[label], possible, unlike_training=unlike, policy=policy)
    kept = Prediction(
        model=model.reference,
        model_digest=model.digest,
        data_version=model.specification.data_version,
        image=image,
        label=label,
        probabilities=by_class,
        set=possible,
        strangeness=float(answers.strangeness[0]),
        unlike_training=unlike,
        refer=bool(because),
        client=asker.client,
        site=asker.site,
        slide=asker.slide,
    )
    return kept, because


def answered(kept: Prediction, because: list[str], *, index: int, file: str | None) -> Answered:
    """A kept prediction as it is told."""
    return Answered(
        index=index,
        file=file,
        id=kept.id,
        label=kept.label,
        probability=kept.probabilities[kept.label],
        probabilities=dict(kept.probabilities),
        set=kept.set,
        strangeness=kept.strangeness,
        unlike_training=kept.unlike_training,
        refer=kept.refer,
        refer_because=because,
    )


def taken(item: Item) -> FeedbackTaken:
    """A correction as it is told to whoever made it."""
    return FeedbackTaken(
        id=item.id, state=item.state, label=item.label, predicted=item.predicted, prediction_id=item.prediction_id
    )
