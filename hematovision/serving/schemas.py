"""What goes over the wire, with examples; the OpenAPI description is made of these."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

NOTICE = "Not a medical device. The final word is a person's."
_ID = "019aab12-7c1d-7e4b-9a53-0f6f0c1d2e3f"


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class ModelIdentity(_Schema):
    """Which model answered.

    Attributes:
        digest: of its files. data_version: of the cells it learnt from. synthetic: it learnt from generated cells only.
    """

    name: str = Field(examples=["hematovision"])
    version: str = Field(examples=["3"])
    digest: str = Field(examples=["9f2c" * 16])
    data_version: str = Field(examples=["md5:4be0c1….dir, 768 files"])
    synthetic: bool = False
    classes: list[str] = Field(examples=[["eosinophil", "lymphocyte", "monocyte"]])


class Answered(_Schema):
    """The answer to one picture.

    Attributes:
        index: place of the picture in the request, from 0. file: its name there.
        probabilities: calibrated, by class. set: classes that cannot be excluded at `confidence`, likeliest first.
        strangeness: above 1 the picture is unlike anything the model was trained on, and the label means nothing.
        refer: a person should look; refer_because says why.
    """

    index: int = Field(ge=0)
    file: str | None = Field(None, examples=["cell-17.png"])
    id: str = Field(examples=[_ID])
    label: str = Field(examples=["lymphocyte"])
    probability: float = Field(ge=0, le=1, examples=[0.94])
    probabilities: dict[str, float] = Field(examples=[{"eosinophil": 0.02, "lymphocyte": 0.94, "monocyte": 0.04}])
    set: list[str] = Field(examples=[["lymphocyte"]])
    strangeness: float = Field(ge=0, examples=[0.41])
    unlike_training: bool = False
    refer: bool = False
    refer_because: list[str] = Field(default_factory=list, examples=[[]])


class Unread(_Schema):
    """A picture that could not be read, and why; the others are answered.

    Attributes:
        again: in a request of its own it may be answered: those before it used up what one request may bring.
    """

    index: int = Field(ge=0)
    file: str | None = Field(None, examples=["notes.txt"])
    reason: str = Field(examples=["not an image (it looks like text): the file is no JPEG, PNG, BMP, TIFF or WebP"])
    again: bool = False


class Predictions(_Schema):
    """Answers to the pictures of one request."""

    model: ModelIdentity
    confidence: float = Field(description="Of the prediction sets.", examples=[0.95])
    predictions: list[Answered]
    errors: list[Unread]
    notice: str = NOTICE


class KeptPrediction(_Schema):
    """A prediction as it was given."""

    id: str = Field(examples=[_ID])
    time: str = Field(examples=["2026-11-22T09:30:00.000000+00:00"])
    model: str = Field(examples=["hematovision/3"])
    model_digest: str
    data_version: str
    image: str = Field(description="SHA-256 of the picture's bytes.")
    label: str = Field(examples=["lymphocyte"])
    probabilities: dict[str, float]
    set: list[str]
    strangeness: float
    unlike_training: bool
    refer: bool
    site: str | None = None
    client: str | None = Field(None, description="Name of the key that asked.")
    slide: str | None = None
    notice: str = NOTICE


Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
ClientKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._,:;@/+-]{0,199}$")]


class FeedbackGiven(_Schema):
    """What a person says a cell is."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"prediction_id": _ID, "label": "monocyte", "client_key": "bench 4, cell 17"}]},
    )

    prediction_id: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    label: Annotated[Label, Field(description="One of the classes of the model that answered.")]
    client_key: Annotated[
        ClientKey | None,
        Field(description="Of your choice; sending the same again gives the same item and makes no second one."),
    ] = None


class FeedbackTaken(_Schema):
    """The correction, kept: it is on disk. It becomes training data only after people have agreed on it."""

    id: str = Field(examples=[_ID])
    state: Literal["pending", "accepted", "rejected", "disputed", "quarantined"] = Field(examples=["pending"])
    label: str = Field(examples=["monocyte"])
    predicted: str | None = Field(None, examples=["lymphocyte"])
    prediction_id: str | None = None
    notice: str = NOTICE


class Alive(_Schema):
    """The process answers."""

    status: Literal["alive"] = "alive"


class TroubleSeen(_Schema):
    """A model that was asked for and is refused."""

    asked: str = Field(examples=["models:/hematovision@champion"])
    reason: str
    since: str


class Readiness(_Schema):
    """Whether requests are answered, by which model, and what is wrong."""

    ready: bool
    model: ModelIdentity
    serving_since: str
    shadow: str | None = Field(None, examples=["hematovision/4"])
    trouble: dict[str, TroubleSeen] = Field(default_factory=dict)
    notice: str = NOTICE


def example(model: type[BaseModel]) -> dict[str, Any]:
    """An example document put together from the examples of a model's fields."""
    found: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        kind = info.annotation
        if info.examples:
            found[name] = info.examples[0]
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            found[name] = example(kind)
        elif not info.is_required():
            found[name] = info.get_default(call_default_factory=True)
    return found
