"""Backbones by name: pretrained networks cut in two, each with its own normalisation, sides and weights.

Owns which networks there are, how their blocks follow one another and where they may be cut. Never trains one.
"""

from hematovision.learning.backbones.loading import Backbone, blank_backbone, load_backbone

__all__ = ["Backbone", "blank_backbone", "load_backbone"]
