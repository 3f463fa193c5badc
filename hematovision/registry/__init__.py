"""Owns what a model is once trained: files that cannot run code, their predictor, their place in the MLflow registry.

Never trains, never decides a promotion.
"""
