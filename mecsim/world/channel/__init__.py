"""The radio channel between users and servers: path loss, sight, shadowing, fading, interference."""
