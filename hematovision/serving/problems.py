"""What goes wrong, told to the client as RFC 9457 problem documents; what is ours is logged and not told."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from hematovision.errors import GateRefused, HematoVisionError, UnreadableImage, UsageError

MEDIA_TYPE = "application/problem+json"
logger = logging.getLogger(__name__)


class Problem(BaseModel):
    """A problem document (RFC 9457); further members say more."""

    model_config = ConfigDict(extra="allow")

    type: str = Field("about:blank", description="Always about:blank: the status says what kind of problem it is.")
    title: str = Field(examples=["Content Too Large"])
    status: int = Field(examples=[413])
    detail: str = Field(
        examples=["The body is larger than the limit of 16,777,216 bytes; send fewer images at a time."]
    )


class Refused(HTTPException):
    """A request that is not answered, with the reason and what to do."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.members = dict(members or {})


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, members: Mapping[str, Any] | None = None
) -> JSONResponse:
    """A response with a problem document."""
    document = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, **(members or {}))
    return JSONResponse(document.model_dump(), status, dict(headers or {}), media_type=MEDIA_TYPE)


def install_problems(app: FastAPI) -> None:
    """Make every error of an application a problem document."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HematoVisionError, _ours)
    app.add_exception_handler(Exception, _unexpected)


def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for no other
    members = error.members if isinstance(error, Refused) else {}
    return problem(error.status_code, str(error.detail), headers=error.headers, members=members)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for no other
    return problem(422, validation_detail(error.errors()))


def validation_detail(errors: Any) -> str:
    """What is wrong with which field, without repeating what was sent."""
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in errors)


_STATUS: tuple[tuple[type[HematoVisionError], int], ...] = (
    (UsageError, 422),
    (UnreadableImage, 422),
    (GateRefused, 409),
)


def _ours(_: Request, error: Exception) -> JSONResponse:
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return problem(status, str(error))
    logger.error("a request failed: %s", error, exc_info=error)
    return problem(500, "The service could not answer; its log says why.")


def _unexpected(_: Request, error: Exception) -> JSONResponse:
    logger.error("a request failed unexpectedly", exc_info=error)
    return problem(500, "The service could not answer; its log says why.")
