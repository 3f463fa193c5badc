"""Which version the service is asked for; `@champion` is the one that registry and ledger agree on."""

from dataclasses import dataclass

from hematovision.errors import HematoVisionError, UsageError
from hematovision.home import Home
from hematovision.ledger import Ledger
from hematovision.promotion.champion import agreed_champion
from hematovision.registry.resolution import KnownVersion, resolve_version
from hematovision.registry.versions import CHAMPION


@dataclass(frozen=True)
class Resolver:
    """Says what a URI stands for now. An alias that was moved without a promotion makes no champion."""

    home: Home
    ledger: Ledger

    def __call__(self, uri: str) -> KnownVersion:
        """The version behind `models:/NAME@ALIAS`, `models:/NAME/VERSION` or the folder of a logged model.

        Raises:
            UsageError: there is none.
            GateRefused: registry and ledger disagree about the champion.
            HematoVisionError: the version cannot be verified, or is not the one that was promoted.
        """
        name, _, alias = uri.removeprefix("models:/").partition("@")
        if alias != CHAMPION or not uri.startswith("models:/"):
            return resolve_version(self.home, uri)
        return self._champion(name)

    def _champion(self, name: str) -> KnownVersion:
        champion = agreed_champion(self.home, name, self.ledger)
        if champion is None:
            raise UsageError(
                f"{name} has no champion that could serve. Promote a reviewed version with `hematovision promote "
                f"{name}/VERSION`, or name one to serve: `hematovision serve --model models:/{name}/VERSION`."
            )
        version = resolve_version(self.home, f"models:/{name}/{champion.version}")
        if version.digest != champion.model_digest:
            raise HematoVisionError(
                f"{version.reference} is not the model that was promoted: by the registry its files have the digest "
                f"{str(version.digest)[:12]}…, by the ledger {str(champion.model_digest)[:12]}…. It is not served; "
                "`hematovision audit verify` says what was changed."
            )
        return version
