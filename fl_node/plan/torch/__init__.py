"""Plans made with PyTorch: a model with its loss as a graph of aten operations, trained under a named optimiser.

PyTorch runs in an environment of its own (`environment`); only what its processes run imports it.
"""
