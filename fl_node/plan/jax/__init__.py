"""Plans made with Keras 3 or plain JAX: a whole pass over a participant's rows, exported as StableHLO.

JAX runs in an environment of its own (`environment`); only what its processes run imports it.
"""
