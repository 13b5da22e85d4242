"""The report of a results folder: one HTML file that opens offline, with a replay of the network."""
