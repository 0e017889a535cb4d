"""The application's tests run in an environment of their own, never in this one."""

collect_ignore = ["assets"]
