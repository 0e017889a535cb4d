"""An organisation's certificate authorities: what it asks of one, and the kinds there are."""
