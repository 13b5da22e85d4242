"""What a run leaves behind: tables with a fixed contract, folders, and the numbers read off them."""
