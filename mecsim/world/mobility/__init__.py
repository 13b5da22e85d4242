"""Where users are: trajectories made of straight legs at constant speed, one list of legs a user.

Every mobility model only makes legs; position and distance travelled are then pure functions of
time. A pause is a leg of speed zero.
"""
