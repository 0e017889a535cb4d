"""The hostile child on a kernel that permits no network namespace."""

from tests.unit.plan.hostile import without_namespaces

without_namespaces()
