"""What the description of the service says where its code cannot: bodies read by hand, problems, pictures."""

from http import HTTPStatus
from typing import Any

from hematovision.serving.problems import MEDIA_TYPE, Problem
from hematovision.serving.review_schemas import VoteGiven
from hematovision.serving.schemas import FeedbackGiven
from hematovision.serving.uploads import FIELD, FORM, PICTURES

Responses = dict[int | str, dict[str, Any]]

_BINARY = {"type": "string", "format": "binary"}
PICTURES_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "array", "minItems": 1, "items": _BINARY}},
                },
                "encoding": {FIELD: {"contentType": ", ".join(PICTURES)}},
            },
            **{kind: {"schema": _BINARY} for kind in PICTURES},
        },
    }
}
FEEDBACK_BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": FeedbackGiven.model_json_schema()}}}
}
VOTE_BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": VoteGiven.model_json_schema()}}}
}
EXPOSITION: Responses = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
DRAWING: Responses = {200: {"description": "A PNG.", "content": {"image/png": {"schema": _BINARY}}}}


def problems(*statuses: int) -> Responses:
    """Problem documents a route may answer with."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            "model": Problem,
        }
        for status in statuses
    }
