"""Saves a model with known weights: `-m tests.unit.plan.author.saved FILE`."""

import sys

import tensorflow as tf

if __name__ == "__main__":
    model = tf.keras.Sequential([tf.keras.layers.InputLayer((6,)), tf.keras.layers.Dense(4, "relu")])
    model.set_weights([tf.fill(w.shape, 0.25 * (at + 1)).numpy() for at, w in enumerate(model.get_weights())])
    model.save(sys.argv[1])
