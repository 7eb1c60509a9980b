"""What moved since the last edition: editions, alerts, the locked plan, and the words for all of it."""
