"""Owns how a model is made: backbones, weights, augmentation, features, the two training phases.

Never splits data, never scores a golden set, never registers anything.
"""
