"""The anchors that the settings name, at work in the background: no decision waits for any of it."""

from functools import partial

from governlayer_server.adapters.anchors.directory import NotesDirectory
from governlayer_server.adapters.anchors.syslog import SyslogNotes
from governlayer_server.adapters.anchors.timestamps import HttpTimestampAuthority
from governlayer_server.adapters.anchors.witness import HttpWitness
from governlayer_server.adapters.crypto.verify import verify_ed25519
from governlayer_server.adapters.logs.access import access_logger
from governlayer_server.adapters.metrics.prometheus import PrometheusMetrics
from governlayer_server.adapters.outgoing import OutgoingClient
from governlayer_server.adapters.postgres.anchors import PostgresAnchorStore
from governlayer_server.adapters.postgres.checkpoints import PostgresCheckpointStore
from governlayer_server.ports import Clock
from governlayer_server.ports.anchors import KeptNotes
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.settings.anchors import AnchorSettings, TimestampSettings, WitnessSettings
from governlayer_server.usecases.accepted_restores import Restores
from governlayer_server.usecases.anchor_health import AnchorHealth, AnchorKind, Recall
from governlayer_server.usecases.anchors_state import AnchorsState
from governlayer_server.usecases.cosign_checkpoints import CosignCheckpoints
from governlayer_server.usecases.keep_checkpoints import KeepCheckpoints
from governlayer_server.usecases.prove_ledger import ProveLedger
from governlayer_server.usecases.stamp_checkpoints import StampCheckpoints
from governlayer_server.wiring.parts import Parts

_TURN_S, _STAMP_S = 1.0, 10.0


def anchors_state(settings: AnchorSettings, store: PostgresAnchorStore, clock: Clock) -> AnchorsState:
    """Return the state of all anchors that *settings* name; none of them has been asked."""
    log = access_logger()

    def health(kind: AnchorKind, name: str, recall: Recall | None = None) -> AnchorHealth:
        def alarm(ledger_id: str) -> None:
            log("ledger.fork", component=f"{kind.value}:{name}", organization_id=ledger_id)

        return AnchorHealth(kind, name, clock, alarm, recall)

    healths = [
        health(AnchorKind.WITNESS, one.name, partial(store.cosigned_last_us, one.key.identity))
        for one in settings.witnesses
    ]
    if settings.directory is not None:
        healths.append(health(AnchorKind.DIRECTORY, "checkpoints"))
    if settings.syslog is not None:
        healths.append(health(AnchorKind.SYSLOG, "checkpoints"))
    if settings.timestamps is not None:
        healths.append(health(AnchorKind.TIMESTAMPS, "rfc3161", store.stamped_last_us))
    return AnchorsState(healths=healths, clock=clock)


class _Anchors:
    """Puts each anchor to work under its health."""

    def __init__(
        self, settings: AnchorSettings, state: AnchorsState, ledger: LedgerStore, parts: Parts, restores: Restores
    ) -> None:
        self._settings = settings
        self._state = state
        self._parts = parts
        self._restores = restores
        self._prove = ProveLedger(ledger=ledger)
        self._store = PostgresAnchorStore(parts.database)
        self._checkpoints = PostgresCheckpointStore(parts.database)

    def start(self) -> None:
        settings = self._settings
        for one in settings.witnesses:
            self._witness(one)
        if settings.directory is not None:
            self._keep(AnchorKind.DIRECTORY, NotesDirectory(settings.directory))
        if settings.syslog is not None:
            self._keep(AnchorKind.SYSLOG, SyslogNotes(settings.syslog))
        if settings.timestamps is not None:
            self._timestamps(settings.timestamps)

    def _health(self, kind: AnchorKind, name: str | None = None) -> AnchorHealth:
        return next(one for one in self._state.healths if one.kind is kind and name in {None, one.name})

    def _witness(self, witness: WitnessSettings) -> None:
        client = OutgoingClient(witness.url, self._settings.ca)
        turn = CosignCheckpoints(
            key=witness.key,
            witness=HttpWitness(client),
            anchors=self._store,
            checkpoints=self._checkpoints,
            consistency=self._prove.consistency,
            verify=verify_ed25519,
            clock=self._parts.clock,
            health=self._health(AnchorKind.WITNESS, witness.name),
        )
        self._parts.background.every(_TURN_S, turn, last=client.close)

    def _keep(self, kind: AnchorKind, notes: KeptNotes) -> None:
        turn = KeepCheckpoints(
            notes, self._store, self._checkpoints, self._parts.clock, self._health(kind), self._restores
        )
        self._parts.background.every(_TURN_S, turn)

    def _timestamps(self, timestamps: TimestampSettings) -> None:
        client = OutgoingClient(timestamps.url, self._settings.ca)
        turn = StampCheckpoints(
            authority=HttpTimestampAuthority(client, timestamps.roots),
            interval_us=timestamps.interval_us,
            anchors=self._store,
            checkpoints=self._checkpoints,
            clock=self._parts.clock,
            health=self._health(AnchorKind.TIMESTAMPS),
        )
        self._parts.background.every(_STAMP_S, turn, last=client.close)


def start_anchors(
    settings: AnchorSettings, state: AnchorsState, ledger: LedgerStore, parts: Parts, restores: Restores
) -> None:
    """
    Put all anchors to work, each in a task of its own.

    Raises:
        ConfigurationError: certificates to trust cannot be read.
    """
    _Anchors(settings, state, ledger, parts, restores).start()


def show_anchors(figures: PrometheusMetrics, state: AnchorsState) -> None:
    """Show the figures of all anchors."""
    labelled = {f"{one.kind.value}:{one.name}": one for one in state.healths}
    figures.gauges(
        "anchor_age_seconds",
        "Since an anchor outside last took a checkpoint of any ledger; +Inf: never.",
        "anchor",
        {label: partial(state.age_s, one) for label, one in labelled.items()},
    )
    figures.gauges(
        "anchor_failing",
        "1 while something is wrong with an anchor outside, or with a ledger there; /readyz?verbose says what.",
        "anchor",
        {label: partial(_failing, one) for label, one in labelled.items()},
    )


def _failing(health: AnchorHealth) -> float:
    return float(health.fault is not None)
