"""What a verdict looks like: pages, charts, terminal, bundle, dashboard."""
