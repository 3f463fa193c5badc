"""One ZenML step per verb: typed inputs and outputs, a call into the library, metadata. Nothing else."""
