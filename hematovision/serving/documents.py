"""JSON bodies, read within the limits of every other body."""

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from hematovision.serving.limits import read_body
from hematovision.serving.problems import Refused, validation_detail
from hematovision.serving.settings import LimitSettings
from hematovision.serving.uploads import media_type

Document = TypeVar("Document", bound=BaseModel)


async def read_document(request: Request, limits: LimitSettings, kind: type[Document]) -> Document:
    """The JSON body of a request as a model.

    Raises:
        Refused: 415 for another media type, 422 where it is not what is asked for; else as `read_body`.
    """
    if media_type(request.headers.get("content-type", "")) != "application/json":
        raise Refused(415, "Send application/json.")
    try:
        return kind.model_validate_json(await read_body(request, limits))
    except ValidationError as error:
        raise Refused(422, validation_detail(error.errors())) from error
