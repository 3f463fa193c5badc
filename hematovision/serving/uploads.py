"""Pictures out of a request body: a form with files, or one picture as it is. Nothing touches the disk."""

from dataclasses import dataclass
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import FormParser, parse_options_header

from hematovision.serving.problems import Refused
from hematovision.serving.settings import LimitSettings

FORM = "multipart/form-data"
PICTURES = (
    "image/jpeg",
    "image/png",
    "image/tiff",
    "image/bmp",
    "image/x-ms-bmp",
    "image/webp",
    "application/octet-stream",
)
FIELD = "images"
_FIELD_BYTES = 4096


@dataclass(frozen=True)
class Upload:
    """A file of a request, by the name its sender gave it."""

    name: str | None
    data: bytes


def media_type(content_type: str) -> str:
    """The media type of a Content-Type header, without parameters."""
    return content_type.partition(";")[0].strip().lower()


def pictures_of(content_type: str, body: bytes, limits: LimitSettings) -> list[Upload]:
    """The pictures of a request.

    Raises:
        Refused: 415 for another media type; 400 for a form that is none; 413 for too many files; 422 for no picture.
    """
    kind = media_type(content_type)
    if kind == FORM:
        uploads, _ = read_form(content_type, body, limits)
        if not uploads:
            raise Refused(422, f"The form holds no file; put each picture into a file field called {FIELD!r}.")
        return uploads
    if kind not in PICTURES:
        raise Refused(415, f"Send {FORM} or a picture as {', '.join(PICTURES[:-1])}; not {kind[:80] or 'nothing'!r}.")
    if not body:
        raise Refused(422, "The body is empty; send a picture.")
    return [Upload(None, body)]


def read_form(content_type: str, body: bytes, limits: LimitSettings) -> tuple[list[Upload], dict[str, str]]:
    """Files and text fields of a multipart form; files under any name but `images` and `image` are refused.

    Raises:
        Refused: 400, 413 or 422, see `pictures_of`.
    """
    uploads: list[Upload] = []
    fields: dict[str, str] = {}

    def on_file(file: Any) -> None:
        if file.field_name not in (FIELD.encode(), b"image"):
            raise Refused(422, f"Pictures belong into file fields called {FIELD!r}.")
        if len(uploads) == limits.images:
            raise Refused(413, f"More than {limits.images} images in one request, the limit; send them in parts.")
        name = (file.file_name or b"").decode("utf-8", "replace")[:255]
        uploads.append(Upload(name or None, file.file_object.getvalue()))

    def on_field(field: Any) -> None:
        if len(fields) >= limits.images or len(field.value or b"") > _FIELD_BYTES:
            raise Refused(413, "The form has too many or too long text fields.")
        fields[field.field_name.decode("utf-8", "replace")] = (field.value or b"").decode("utf-8", "replace")

    _parse(content_type, body, on_field, on_file, in_memory=limits.body_bytes)
    return uploads, fields


def _parse(content_type: str, body: bytes, on_field: Any, on_file: Any, *, in_memory: int) -> None:
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary or len(boundary) > 256:
        raise Refused(400, "The form has no usable boundary in its Content-Type.")
    ended: list[bool] = []
    config = {"MAX_MEMORY_FILE_SIZE": in_memory + 1, "UPLOAD_ERROR_ON_BAD_CTE": True}
    try:
        parser = FormParser(
            FORM, on_field, on_file, on_end=lambda: ended.append(True), boundary=boundary, config=config
        )
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise Refused(400, f"The form cannot be read: {str(error)[:200]}") from error
    if not ended:
        raise Refused(400, "The form ends before its closing boundary; it was cut off, or is no form.")
