"""From stain planes to camera pixels: absorption, light, lens, sensor and the camera's own processing."""

import numpy as np
from numpy.typing import NDArray

from hematovision.data.synthetic.arithmetic import FloatArray, blurred, clamp, exp_negative
from hematovision.data.synthetic.draws import Draws
from hematovision.data.synthetic.scanner import Scanner, Sensor
from hematovision.data.synthetic.shapes import Field
from hematovision.data.synthetic.smear import SlideLook


def expose(planes: FloatArray, field: Field, scanner: Scanner, look: SlideLook, draws: Draws) -> NDArray[np.uint8]:
    """The picture (H, W, 3) uint8 RGB that the scanner takes of the stain planes (4, H, W)."""
    light = exp_negative(_optical_density(planes, scanner, look, draws))
    light = light * (
        _illumination(field, scanner, look) * (scanner.illumination.level * look.light * draws.around(1.0, 0.05))
    )
    for channel, gain, cast in zip(light, scanner.white_balance, look.colour_cast, strict=True):
        channel *= gain * cast
    sigma = scanner.optics.blur_um * field.pixels_per_um * draws.between(0.85, 1.25)
    light = blurred(light, sigma * sigma)
    return _digitised(_developed(_with_noise(light, scanner.sensor, draws), scanner.sensor))


def _optical_density(planes: FloatArray, scanner: Scanner, look: SlideLook, draws: Draws) -> FloatArray:
    """Beer and Lambert's law; how thick the smear is and how much of each dye it took up differ from cell to cell."""
    density = np.zeros((3, planes.shape[1], planes.shape[2]))
    strength = scanner.stains.strength * draws.around(1.0, 0.17)
    for plane, vector, uptake in zip(planes, scanner.stains.rows(), look.dye_uptake, strict=True):
        amount = strength * uptake * draws.around(1.0, 0.2)
        for channel, absorbed in zip(density, vector, strict=True):
            channel += plane * (absorbed * amount)
    return density


def _illumination(field: Field, scanner: Scanner, look: SlideLook) -> FloatArray:
    half = field.half_width
    x, y = field.x / half, field.y / half
    slope = 0.5 * scanner.illumination.gradient * (x * look.light_direction[0] + y * look.light_direction[1])
    return 1.0 + slope - (0.5 * scanner.illumination.vignette) * (x * x + y * y)


def _with_noise(light: FloatArray, sensor: Sensor, draws: Draws) -> FloatArray:
    """Read and shot noise; the sum of three uniforms minus 1.5 has a standard deviation of 1/2."""
    _, height, width = light.shape
    bell = draws.uniform(3, height, width) + draws.uniform(3, height, width) + draws.uniform(3, height, width) - 1.5
    deviation = sensor.read_noise + sensor.shot_noise * np.sqrt(np.maximum(light, 0.0))
    return light + (2.0 * bell) * deviation


def _developed(light: FloatArray, sensor: Sensor) -> FloatArray:
    if sensor.sharpening > 0.0:
        light = light + sensor.sharpening * (light - blurred(light, 1.0))
    light = clamp(light, 0.0, 1.2)
    light = light * (1.0 + sensor.tone) / (1.0 + sensor.tone * light)
    grey: FloatArray = 0.3 * light[0] + 0.59 * light[1] + 0.11 * light[2]
    coloured: FloatArray = grey + sensor.saturation * (light - grey)
    return coloured


def _digitised(light: FloatArray) -> NDArray[np.uint8]:
    levels = np.rint(clamp(light, 0.0, 1.0) * 255.0).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(levels, 0, -1))
