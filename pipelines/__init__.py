"""Chains of steps, each readable as a paragraph."""

from zenml.utils.source_utils import set_custom_source_root

from hematovision.home import PROJECT

# However Python was started, ZenML names a step by its place in the project.
set_custom_source_root(str(PROJECT))
