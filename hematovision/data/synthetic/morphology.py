"""What one cell looks like, in numbers: sizes in µm, dyes in units of the scanner's stain planes."""

from dataclasses import dataclass

from hematovision.data.synthetic.shapes import Chain, Lobe


@dataclass(frozen=True)
class Dye:
    """Amounts of the four dyes, in the order of the stain planes."""

    eosin: float = 0.0
    azure: float = 0.0
    chromatin: float = 0.0
    haemoglobin: float = 0.0

    def planes(self) -> tuple[float, float, float, float]:
        """The amounts as a tuple (eosin, azure, chromatin, haemoglobin)."""
        return self.eosin, self.azure, self.chromatin, self.haemoglobin


@dataclass(frozen=True)
class Granules:
    """Discs of dye scattered over the cytoplasm; `over_nucleus` is how much of them lies in front of the nucleus."""

    spacing: float
    radius: float
    presence: float
    dye: Dye
    cover: float
    over_nucleus: float


@dataclass(frozen=True)
class Nucleus:
    """Outline and chromatin: mean density, clump contrast, clump size, edge waviness, and pale nucleoli."""

    outline: Chain
    density: float
    contrast: float
    clump: float
    wave: float
    folds: float = 0.0
    blueness: float = 0.0
    notches: tuple[Lobe, ...] = ()
    nucleoli: tuple[Lobe, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One cell, centred on the origin."""

    radius: float
    elongation: float
    axis: tuple[float, float]
    wave: float
    cytoplasm: Dye
    mottle: float
    rim: float
    nucleus: Nucleus | None
    granules: tuple[Granules, ...] = ()
    vacuoles: tuple[Lobe, ...] = ()
