"""What is trained: a plan is a compiled learning process, as one file with a digest.

Here lies what all plans share: the file (`container`, `manifest`, `layout`), the registry of frameworks (`frameworks`,
`environment`), the child process that runs one (`hosting`, `child`, `sandbox`). `tff`, `jax` and `torch` are the
frameworks, each with its compiler and its worker; `arithmetic` is what this project computes itself for all but the
first.
"""
