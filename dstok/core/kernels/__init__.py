"""The implementation of each level: the kernels of all floors below, compiled in one module."""
