"""Plans made with TensorFlow Federated: aggregation and algorithms for researchers, the compiler, what a child runs.

The worker's process imports TensorFlow; nothing outside this folder and the examples does.
"""
