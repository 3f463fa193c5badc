"""Owns what a model is once trained: a folder of files that cannot run code, its predictor, its place in the MLflow registry.

Never trains, never decides a promotion.
"""
