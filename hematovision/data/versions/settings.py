"""Where data versions are kept a second time, as the configuration says it; credentials are no part of that."""

from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

SECRETS = frozenset(
    (
        *("password", "passphrase", "token", "session_token", "access_key_id", "secret_access_key", "account_key"),
        *("sas_token", "connection_string", "client_secret", "oss_key_secret", "sse_customer_key"),
    )
)


class RemoteSettings(BaseModel):
    """The second place of data versions.

    Attributes:
        remote: a folder, or a URL that DVC takes (s3://bucket/path, ssh://host/path, https://…); None is a folder in
            the home.
        options: further settings of a DVC remote, such as `endpointurl` of MinIO; never a credential.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    remote: str | None
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)

    @field_validator("remote")
    @classmethod
    def _no_password(cls, url: str | None) -> str | None:
        if url and urlsplit(url).password:
            raise ValueError("settings are recorded with every run: leave the password to the environment")
        return url

    @field_validator("options")
    @classmethod
    def _no_credential(cls, options: dict[str, Any]) -> dict[str, Any]:
        found = sorted(SECRETS & options.keys())
        if found:
            raise ValueError(
                f"settings are recorded with every run: keep {', '.join(found)} in the environment (AWS_ACCESS_KEY_ID, "
                "an SSH agent, …) or in DVC's own `config.local`"
            )
        return options
