"""What of a training looks unlike the rest of it: figures of its rounds, rules over them, flags with their evidence."""
