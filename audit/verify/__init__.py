"""From blocks to a verdict: every block checked, every transaction run again."""
