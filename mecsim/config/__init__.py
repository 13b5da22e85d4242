"""Reading what a person writes: keys with units and bounds, and every problem with its line."""
