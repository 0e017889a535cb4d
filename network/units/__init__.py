"""One organisation's processes as its hosts run them, written as systemd units, a compose file or a Helm chart."""
