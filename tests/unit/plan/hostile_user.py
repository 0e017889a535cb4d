"""The hostile child without root's rights."""

from tests.unit.plan.hostile import unprivileged

unprivileged()
