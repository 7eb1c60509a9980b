"""From reports to folders: what is fresh, what is remembered, drawing, writing at once or not at all."""
