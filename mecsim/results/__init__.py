"""The results of runs: tables with a fixed contract, run folders, and metrics."""
