"""What a user may change about the service; the values live in configs/."""

import os
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hematovision.learning.settings import Runtime


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LimitSettings(_Section):
    """What one request, one key and all of them together may ask for.

    Attributes:
        body_bytes: of a request body. images: in one request.
        pixels: of one picture, judged by its header. pixels_per_request: of all pictures of a request.
        header_seconds, body_seconds, answer_seconds: for the headers and the body to arrive, and for the answer.
        requests_at_once: being worked on in all. requests_at_once_per_key: of one key.
        explanations_at_once: heat maps being drawn or waiting. connections: open at once.
    """

    body_bytes: int = Field(ge=1024)
    images: int = Field(ge=1)
    pixels: int = Field(ge=1)
    pixels_per_request: int = Field(ge=1)
    header_seconds: float = Field(gt=0)
    body_seconds: float = Field(gt=0)
    answer_seconds: float = Field(gt=0)
    requests_at_once: int = Field(ge=1)
    requests_at_once_per_key: int = Field(ge=1)
    explanations_at_once: int = Field(ge=1)
    connections: int = Field(ge=1)


class ReferralSettings(_Section):
    """When an answer says that a person should look.

    Attributes:
        set_larger_than: where more classes than this cannot be excluded; None never refers for that.
        probability_below: where the largest probability is lower; None never refers for that.
        unlike_training: where the picture is unlike anything the model was trained on.
        labels: classes that a person always looks at.
    """

    set_larger_than: int | None = Field(ge=1)
    probability_below: float | None = Field(gt=0, le=1)
    unlike_training: bool
    labels: list[str]


class ServingSettings(_Section):
    """Everything about the service.

    Attributes:
        model: what is served, as `--model` takes it; None is the alias `champion` of `registry.model_name`.
        runtime: what computes the network; one that is not installed is refused, none stands in for another.
        shadow: a second model that answers unseen; its answers are kept beside the first one's. None: no other.
        poll_seconds: between two looks at the registry. key_seconds: until a new or revoked key is noticed.
        pictures_at_once: most pictures that go through the network together. Nothing ever waits for company.
        network_threads: cores that the network may keep busy; None is half of them, the rest decode and answer.
        decode_threads: pictures decoded at once. shadow_waiting: pictures that may wait for the shadow; more are left
            out and counted.
        answers_survive: what the record of an answer survives from the moment it is given: `kill` of the service, or a
            `power_cut` too, for which every answer waits for the disk. Corrections and votes survive both in any case.
        keep_pictures: keep the bytes of every picture that was answered; without them there are no heat maps and a
            correction has to bring its picture.
        stop_seconds: for requests to finish when the service is told to end.
    """

    host: str
    port: int = Field(ge=0, lt=2**16)
    model: str | None
    runtime: Runtime
    shadow: str | None
    poll_seconds: float = Field(gt=0)
    key_seconds: float = Field(ge=0)
    pictures_at_once: int = Field(ge=1)
    network_threads: int | None = Field(ge=1)
    decode_threads: int = Field(ge=1)
    shadow_waiting: int = Field(ge=1)
    answers_survive: Literal["kill", "power_cut"]
    keep_pictures: bool
    stop_seconds: int = Field(ge=1)
    limits: LimitSettings
    refer: ReferralSettings

    @property
    def cores_of_the_network(self) -> int:
        """`network_threads`, or half of the cores there are, at least one."""
        return self.network_threads or max(1, (os.cpu_count() or 1) // 2)
