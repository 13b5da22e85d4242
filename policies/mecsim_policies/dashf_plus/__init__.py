"""What the project adds to DASHF: a search of the neighbourhood, a joint step over phi, warm looks."""
