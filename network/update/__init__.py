"""A change of the channel's configuration, as a file that collects the signatures of organisations' administrators."""
