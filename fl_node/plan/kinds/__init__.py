"""Kinds of plan that need no framework: regression, statistics, clusters and trees, in numpy on secure sums.

A researcher's file returns a `source.KindPlan`: a schema and one of the kinds, which says which sums are needed, what a
participant's rows add to them, and which state follows. The first two run in a child process, beside the data. What
follows from a sum runs in every node that attests, and in the audit: integers, and doubles under + - · / √ one at a
time in a fixed order (`exact`), so that it gives the same bits on every machine.
"""
