"""Where users are: ways made of straight legs at constant speed, one list of legs a user.

Every mobility model only makes legs; position and distance travelled are then pure functions of
time. A pause is a leg of speed zero.
"""

from mecsim.world.mobility.legs import Legs
from mecsim.world.mobility.trajectories import Trajectories, replay_of, way_of
from mecsim.world.mobility.waypoint import mean_leg_m, random_waypoint

__all__ = ["Legs", "Trajectories", "mean_leg_m", "random_waypoint", "replay_of", "way_of"]
