"""A child that runs graphs as a plan would, in the framework's own helper process: without end, without bounds."""

from typing import Any

from fl_node.plan.frames import Message
from fl_node.plan.serving import serve


def graph(deed: str) -> Any:
    import tensorflow as tf
    import tensorflow_federated as tff

    @tff.tensorflow.computation(tf.int64)
    def endless(start: Any) -> Any:
        return tf.while_loop(lambda at: at >= 0, lambda at: (at + 1) % 1000, [start])

    @tff.tensorflow.computation(tf.int64)
    def growing(rows: Any) -> Any:
        step = lambda at, held: (at + 1, tf.concat([held, tf.ones([1 << 25])], 0))  # noqa: E731
        shapes = [tf.TensorShape([]), tf.TensorShape([None])]
        ended = tf.while_loop(lambda at, _: at < rows, step, [tf.constant(0, tf.int64), tf.ones([1])], shapes)
        return tf.reduce_sum(ended[1])

    return {"endless": endless, "growing": growing}[deed]


def handle(request: Message) -> Message:
    return Message({"done": float(graph(request.header["op"])(*request.header["with"]))})


if __name__ == "__main__":
    serve(handle)
