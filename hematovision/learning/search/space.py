"""From a point of the search space to the settings of a training."""

import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from hematovision.errors import UsageError
from hematovision.learning.search.settings import FloatKnob, Scalar, Space
from hematovision.learning.settings import LearningSettings

_PREFIX = "learning."
_LARGEST_GRID = 100_000


def configured(base: LearningSettings, parameters: Mapping[str, Scalar]) -> LearningSettings:
    """The base with single settings replaced, named as `learning.training.dropout`.

    Raises:
        UsageError: naming every key that is unknown or whose value is out of range.
    """
    content: dict[str, Any] = {"learning": base.model_dump()}
    for key, value in parameters.items():
        *sections, name = key.split(".")
        section = content
        for part in sections:
            section = section.get(part, {})
            if not isinstance(section, dict):
                raise _unknown(key)
        if not key.startswith(_PREFIX) or name not in section or isinstance(section[name], dict):
            raise _unknown(key)
        section[name] = value
    try:
        return LearningSettings.model_validate(content["learning"])
    except ValidationError as error:
        problems = "; ".join(f"{_PREFIX}{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise UsageError(f"The search space leaves what the settings allow: {problems}.") from error


def _unknown(key: str) -> UsageError:
    return UsageError(
        f"The search space names {key!r}, which is no setting of learning: give its full dotted name as in "
        "configs/default.yaml, such as learning.training.frozen.learning_rate."
    )


def check_space(space: Space, base: LearningSettings) -> None:
    """Refuse an empty space, an unknown key and an end that is out of range, before anything is computed."""
    if not space:
        raise UsageError("There is nothing to search: give --space FILE with a `search.space` (see configs/search/).")
    for key, knob in space.items():
        for value in knob.ends:
            configured(base, {key: value})


def grid(space: Space) -> dict[str, list[Scalar]]:
    """The values of every setting; their product is the grid.

    Raises:
        UsageError: a number without a step has no grid, or the grid is too large to be listed.
    """
    endless = [key for key, knob in space.items() if isinstance(knob, FloatKnob) and knob.grid is None]
    if endless:
        raise UsageError(
            f"--method grid needs a `step`, or `kind: choice` with values, for {', '.join(endless)}; "
            "--method bayesian takes ranges as they are."
        )
    values = {key: list(knob.grid or []) for key, knob in space.items()}
    points = math.prod(map(len, values.values()))
    if points > _LARGEST_GRID:
        raise UsageError(f"This grid has {points} points: give fewer values, or search with --method bayesian.")
    return values


def standing(space: Space, base: LearningSettings) -> dict[str, Scalar]:
    """The values the base itself has for the settings of the space."""
    content = {"learning": base.model_dump()}
    found: dict[str, Scalar] = {}
    for key in space:
        value: Any = content
        for part in key.split("."):
            value = value[part]
        found[key] = value
    return found
