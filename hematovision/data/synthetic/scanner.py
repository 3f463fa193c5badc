"""Microscope and camera presets: what differs between two laboratories that look at the same cell."""

from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator

from hematovision.errors import UsageError

_Absorbance = Annotated[float, Field(ge=0, le=4)]
_Gain = Annotated[float, Field(gt=0, le=2)]
# YAML knows lists only, so the tuples take them; the numbers inside stay strict (no strings, no booleans).
OpticalDensity = Annotated[tuple[_Absorbance, _Absorbance, _Absorbance], Strict(False)]
Gains = Annotated[tuple[_Gain, _Gain, _Gain], Strict(False)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Stains(_Settings):
    """Optical density (natural log, RGB) that one unit of each dye adds, after Beer and Lambert."""

    eosin: OpticalDensity
    azure: OpticalDensity
    chromatin: OpticalDensity
    haemoglobin: OpticalDensity
    strength: float = Field(gt=0, le=3)

    def rows(self) -> tuple[OpticalDensity, ...]:
        """The four dyes in the order of the stain planes: eosin, azure, chromatin, haemoglobin."""
        return self.eosin, self.azure, self.chromatin, self.haemoglobin


class Illumination(_Settings):
    """Lamp and condenser. Level 1 puts clear glass of white-balance gain 1 at full scale."""

    level: float = Field(gt=0, le=1.5)
    gradient: float = Field(ge=0, le=0.6, description="fall of light from one side of the picture to the other")
    vignette: float = Field(ge=0, le=0.8, description="loss of light in the corners")


class Optics(_Settings):
    """Lens: width of the picture and blur on the glass side, both in µm, so they hold at any image size."""

    field_um: float = Field(ge=8, le=80, description="width of one picture; larger means smaller cells")
    blur_um: float = Field(ge=0, le=1.5, description="standard deviation of the point spread")


class Sensor(_Settings):
    """Camera: noise as a fraction of full scale, unsharp masking, tone curve and colour saturation."""

    read_noise: float = Field(ge=0, le=0.2)
    shot_noise: float = Field(ge=0, le=0.2)
    sharpening: float = Field(ge=0, le=4)
    tone: float = Field(gt=-0.9, le=4, description="0 is linear; above lifts the middle tones, below deepens them")
    saturation: float = Field(ge=0, le=2)


class Scanner(_Settings):
    """One way of making pictures of the same cells."""

    name: str = Field(min_length=1)
    description: str = Field(min_length=1)
    stains: Stains
    illumination: Illumination
    white_balance: Gains
    optics: Optics
    sensor: Sensor
    slide_variation: float = Field(ge=0, le=3, description="spread between slides, 1 being usual laboratory practice")


class _ScannerFile(_Settings):
    scanners: dict[str, Scanner] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _name_from_key(cls, data: object) -> object:
        if not isinstance(data, dict) or not isinstance(data.get("scanners"), dict):
            return data
        named = {k: v | {"name": k} if isinstance(v, dict) else v for k, v in data["scanners"].items()}
        return data | {"scanners": named}

    @model_validator(mode="after")
    def _has_default(self) -> Self:
        if "A" not in self.scanners:
            raise ValueError("preset 'A', the default scanner, is missing")
        return self


def load_scanners(path: Path) -> dict[str, Scanner]:
    """Read the named presets of a YAML file with one `scanners:` mapping.

    Raises:
        UsageError: the file is absent, is no YAML, or a field is unknown, missing or out of range.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _ScannerFile.model_validate(content).scanners
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: cannot be read as scanner presets: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path}: {where or 'file'}: {first['msg']}; correct this entry and try again") from error
