"""The numbers of the near-duplicate search; their values live in configs/."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(gt=0, le=1)]


class DuplicateSettings(BaseModel):
    """Everything a user may tune. Lengths are pixels of the working image unless said otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    working_size: int = Field(ge=32, le=512, description="side of the square whose area every image is resized to")
    smoothing_sigma: float = Field(gt=0, description="Gaussian that removes noise and re-encoding, pixels")
    contrast_sigma: float = Field(gt=0, description="Gaussian window of the local contrast normalisation, pixels")
    contrast_floor: float = Field(gt=0, description="grey levels below which local contrast counts as noise")
    fill_tolerance: int = Field(ge=0, le=64, description="grey levels within which a corner counts as one flat fill")
    spectrum_rings: int = Field(ge=8, description="log-spaced radii at which the spectrum is sampled")
    spectrum_angles: int = Field(ge=16, description="angles over half a turn at which the spectrum is sampled")
    spectrum_inner: float = Field(gt=0, description="lowest frequency sampled, cycles per image side")
    spectrum_outer: float = Field(gt=0, description="highest frequency sampled, cycles per image side")
    scale_steps: int = Field(ge=0, description="spectrum rings by which two copies may differ in scale")
    anchor_spread: Fraction = Field(description="Gaussian window that finds the darkest body, fraction of the side")
    anchor_radius: Fraction = Field(description="radius described around the darkest body, fraction of the side")
    anchor_scales: tuple[float, ...] = Field(min_length=1, description="radii tried on one side, relative; 1 first")
    anchor_rings: int = Field(ge=4, description="rings described around the darkest body")
    angular_frequencies: int = Field(ge=2, description="Fourier frequencies kept along a ring")
    shortlist: int = Field(ge=1, description="neighbours an image is compared with, per descriptor")
    min_spectrum_similarity: Fraction = Field(
        description="correlation of log-polar spectra below which a pair drops out"
    )
    clear_spectrum_similarity: Fraction = Field(description="the same correlation from which every pair is aligned")
    doubtful_per_image: int = Field(ge=1, description="pairs of an image aligned between those two correlations")
    hypotheses: int = Field(ge=1, description="spectrum peaks (angle, scale, flip) tried on a pair")
    min_alignment: Fraction = Field(description="correlation after the coarse alignment below which a pair is dropped")
    refine_iterations: int = Field(ge=1, description="iterations of the affine refinement")
    min_overlap: Fraction = Field(description="share of the smaller picture that the two must have in common")
    min_similarity: Fraction = Field(description="normalised correlation of aligned detail from which two are copies")
    min_evidence: float = Field(gt=0, description="standard errors by which that correlation must exceed chance")
    rich_similarity: Fraction = Field(description="the lower correlation that suffices where detail is rich")
    rich_evidence: float = Field(gt=0, description="standard errors above chance that count as rich detail")
