"""What happens to an update before and after the secure sum, in numpy alone: the same bits on every machine.

`work` turns a participant's new weights into integer slots, `update` a sum of them into the next state: in every node
that attests, and in the audit. Beyond integers it uses addition, subtraction, multiplication, division and square root
of IEEE-754 doubles, each rounded once, one element after the other in a fixed order; those give the same bits on any
machine. It uses no sum of floats whose order a library chooses, no matrix product, no power, exponential or logarithm.
Where many floats must be summed (a norm), `math.fsum` gives the exact sum, rounded once.
"""
