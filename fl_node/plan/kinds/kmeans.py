"""k-means (Lloyd's algorithm) by secure sums of each cluster's members.

A cluster without members is moved beside the one whose members lie farthest from their centre in sum, by that cluster's
spread in a direction that follows from the round's sums, so that it takes a part of it.
"""

import hashlib
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fl_node.data.schema import Column, Schema
from fl_node.plan.kinds.kind import Kind, State
from fl_node.plan.kinds.rows import Rows
from fl_node.plan.kinds.statistics import column_range, feature_names
from fl_node.plan.kinds.sums import Numbers, Quantity, Totals

Doubles = NDArray[np.float64]

CHUNK: Final = 1 << 22
"""How many distances are held at once."""


class KMeans(Kind):
    """k-means of the features, each in units of its range, or standardised where the schema says so.

    Attributes:
        clusters: How many.
        seed: Where the first centres lie follows from it: anywhere in the ranges, or within two deviations.
    """

    extras: ClassVar[tuple[str, ...]] = ("clusters/empty", "clusters/moved")
    tells: ClassVar[str] = "the mean of each cluster's rows, which may be one row"

    kind: Literal["kmeans"] = "kmeans"
    clusters: int = Field(ge=1, le=10_000)
    seed: int = Field(default=1, ge=0, lt=1 << 32)

    def check(self, schema: Schema) -> None:
        """Refuses columns without a range or standardisation, and windows; raises ValueError."""
        if schema.window:
            raise ValueError("k-means is of rows: leave the window out")
        for column in schema.columns:
            lacks = column.low is None or column.high is None or column.low == column.high
            if column.ranged and lacks and column.mean is None:
                raise ValueError(f"column {column.name}: k-means needs a range, or a mean and a deviation")

    def quantities(self, schema: Schema) -> tuple[Quantity, ...]:
        """For each cluster its members' number, sum, and sum of squared distances."""
        return (
            Quantity("members", (self.clusters,)),
            Quantity("sum", (self.clusters, schema.width), self.magnitude_bits),
            Quantity("spread", (self.clusters,), self.magnitude_bits),
        )

    def start(self, schema: Schema) -> State:
        """Centres drawn evenly, by SHA-256 in counter mode of the seed: the same on any machine."""
        size = self.clusters * schema.width
        raw = b"".join(hashlib.sha256(f"{self.seed}/{at}".encode()).digest() for at in range(-(-size // 4)))
        even = (np.frombuffer(raw, ">u8")[:size] >> np.uint64(11)).astype(np.float64) / 2.0**53
        return {
            "steps": np.array(0, np.int64),
            "centres": even.reshape(self.clusters, schema.width) * 2.0 - 1.0,
            "members": np.zeros(self.clusters, np.int64),
            "spread": np.zeros(self.clusters),
            "moved": np.array(0.0),
        }

    def contribute(self, schema: Schema, state: State, rows: Rows) -> Numbers:
        """The sums of rows over the clusters whose centres lie nearest."""
        scaled = _scaled(schema, rows.features)
        nearest, distances = _nearest(scaled, state["centres"])
        sums = np.zeros((self.clusters, schema.width))
        np.add.at(sums, nearest, scaled)
        return {
            "members": np.bincount(nearest, minlength=self.clusters),
            "sum": sums,
            "spread": np.bincount(nearest, distances, minlength=self.clusters),
        }

    def loss(self, schema: Schema, state: State, rows: Rows) -> float:
        """The sum of squared distances to the nearest centres."""
        return float(_nearest(_scaled(schema, rows.features), state["centres"])[1].sum())

    def follow(self, schema: Schema, state: State, totals: Totals) -> State:
        """Each centre becomes the mean of its members; empty clusters are moved."""
        counted, summed, squares = self.quantities(schema)
        members, spread = totals.whole(counted), np.maximum(totals.real(squares), 0.0)
        divisor = np.maximum(members, 1).astype(np.float64)[:, np.newaxis]
        centres = np.where(members[:, np.newaxis] > 0, totals.real(summed) / divisor, state["centres"])
        widest = np.argsort(-spread, kind="stable")
        for turn, empty in enumerate(np.flatnonzero(members == 0)):
            donor = int(widest[turn % self.clusters])
            if members[donor] > 1:
                length = np.sqrt(spread[donor] / float(members[donor] * schema.width))
                signs = _signs(state["centres"].tobytes(), int(empty), schema.width)
                centres[empty] = centres[donor] + signs * length
        moved = float(np.abs(centres - state["centres"]).max())
        return {
            "steps": np.array(int(state["steps"]) + 1, np.int64),
            "centres": centres,
            "members": members,
            "spread": spread,
            "moved": np.array(moved),
        }

    def report(self, state: State) -> dict[str, float]:
        """How many clusters had no member, and how far a coordinate of a centre moved at most, scaled."""
        return {"clusters/empty": float((state["members"] == 0).sum()), "clusters/moved": float(state["moved"])}

    def export(self, schema: Schema, state: State) -> dict[str, Any]:
        """For each cluster its centre, in the file's units, the members and the spread of the round before it."""
        middle, half = _units(schema)
        names = feature_names(schema)
        clusters = [
            {"centre": dict(zip(names, centre, strict=True)), "members": members, "spread": spread}
            for centre, members, spread in zip(
                (state["centres"] * half + middle).tolist(),
                state["members"].tolist(),
                state["spread"].tolist(),
                strict=True,
            )
        ]
        return {"rounds": int(state["steps"]), "moved": float(state["moved"]), "clusters": clusters}


def _signs(salt: bytes, cluster: int, width: int) -> Doubles:
    blocks = (hashlib.sha256(salt + f"/{cluster}/{at}".encode()).digest() for at in range(-(-width // 256)))
    bits = np.unpackbits(np.frombuffer(b"".join(blocks), np.uint8))[:width]
    return np.asarray(bits.astype(np.float64) * 2.0 - 1.0)


def _units(schema: Schema) -> tuple[Doubles, Doubles]:
    """What is subtracted from each feature and what it is then divided by."""
    units = [_unit(column) for column in schema.columns for _ in range(column.width)]
    return np.array([middle for middle, _ in units]), np.array([half for _, half in units])


def _unit(column: Column) -> tuple[float, float]:
    if column.mean is not None and column.deviation is not None:
        return float(column.mean), float(column.deviation)
    low, high = column_range(column)
    return (low + high) / 2, (high - low) / 2


def _scaled(schema: Schema, features: Doubles) -> Doubles:
    middle, half = _units(schema)
    return (features - middle) / half


def _nearest(scaled: Doubles, centres: Doubles) -> tuple[NDArray[np.intp], Doubles]:
    """Which centre lies nearest to each row, the first of equals, and the squared distance."""
    step = max(1, CHUNK // max(1, centres.size))
    found = [np.square(scaled[at : at + step, np.newaxis] - centres).sum(-1) for at in range(0, len(scaled), step)]
    distances = np.concatenate(found) if found else np.empty((0, len(centres)))
    nearest = distances.argmin(axis=1)
    return nearest, np.take_along_axis(distances, nearest[:, np.newaxis], 1)[:, 0]
