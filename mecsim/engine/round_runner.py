"""Takes a user through the phases of one round, docs/model.md section 10."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from simpy import Event

from mecsim.engine.clock import Clock
from mecsim.engine.counters import Counters
from mecsim.engine.in_force import InForce
from mecsim.engine.recorder import Recorder
from mecsim.engine.roster import Roster
from mecsim.engine.round import RoundLog
from mecsim.engine.service import Service
from mecsim.scenario.control import CallEvent
from mecsim.system.phases import PhaseSpec, WorkTerms
from mecsim.world.round_work import affine_work
from mecsim.world.world import World


class RoundRunner:
    """Opens rounds, serves their phases one after the other, and closes them.

    Parameters
    ----------
    clock : Clock
    world : World
    roster : Roster
    in_force : InForce
    phases : sequence of PhaseSpec
    service : Service
    recorder : Recorder
    counters : Counters
    notify : callable
        Called with ``"round_start"`` when a round has been opened.
    """

    def __init__(
        self,
        clock: Clock,
        world: World,
        roster: Roster,
        in_force: InForce,
        phases: Sequence[PhaseSpec],
        service: Service,
        recorder: Recorder,
        counters: Counters,
        notify: Callable[[CallEvent], None],
    ) -> None:
        self._clock, self._workload, self._roster, self._in_force = clock, world.workload, roster, in_force
        self._phases, self._service = phases, service
        self._recorder, self._counters, self._notify = recorder, counters, notify
        self._section = world.scenario.workload
        self._user_epochs: list[float] = world.workload.devices["epochs"].tolist()
        self._server_epochs: list[float] = world.servers.epochs.tolist()
        self._first_at_server = next(k for k, phase in enumerate(phases) if phase.at_server)

    def run(self, user: int, index: int, arrival_s: float) -> Generator[Event, None, None]:
        """Run one round of a user, from now to its end."""
        self._open(user, index, arrival_s)
        phase = 0
        while phase < len(self._phases):
            work = self.work_of(user, phase)
            if work > 0:
                yield self._service.begin(user, phase, work)
                if self._service.consume_abort(user):
                    phase = self._first_at_server
                    continue
            phase += 1
        self._close(user)

    def work_of(self, user: int, phase: int) -> float:
        """Return the work of a phase of the round in progress: FLOP, or bit on the radio."""
        log = self._roster.jobs[user].log
        if log is None:
            return 0.0
        terms, server_epochs = log.terms, self._server_epochs[self._in_force.grants.server[user]]
        if server_epochs != terms.server_epochs:
            terms = terms._replace(server_epochs=server_epochs)
        return float(self._phases[phase].work(terms))

    def _open(self, user: int, index: int, arrival_s: float) -> None:
        """Start a round now; phi is fixed from here on."""
        self._counters.rounds_of_user[user] = index
        params, flops = self._workload.work_of_round(user, index)
        server = self._in_force.grants.server[user]
        terms = WorkTerms(
            local_fraction=self._in_force.grants.local_fraction[user],
            adapter_params=params,
            flops_per_param=flops,
            user_epochs=self._user_epochs[user],
            server_epochs=self._server_epochs[server],
            bits_per_param=self._section.bits_per_param,
            affine=affine_work(self._section, params, flops, self._user_epochs[user]),
        )
        self._roster.jobs[user].log = RoundLog(
            user=user,
            index=index,
            arrival_s=arrival_s,
            start_s=self._clock.now,
            server_first=server,
            server_last=server,
            terms=terms,
            uplink_bits=terms.uplink,
            epoch=self._counters.epochs - 1,
            time_s=[0.0] * len(self._phases),
            energy_j=[0.0] * len(self._phases),
        )
        self._notify("round_start")

    def _close(self, user: int) -> None:
        """Record the round that has just been finished."""
        job = self._roster.jobs[user]
        if job.log is not None:
            job.log.last_score = self._in_force.grants.score[user]
            self._recorder.round(job.log, "finished")
        job.log = None
        self._counters.rounds_of_user[user] += 1
        self._counters.rounds += 1
