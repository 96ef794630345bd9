public import Relay

/// A kind of thing that goes wrong in a simulated world. A run counts each as it happens, so that a test can see whether
/// the simulation still looks where it is meant to.
public enum InjectedFault: Hashable, Sendable {
  /// A next hop answered so: a stage and a name of `FaultCatalogue.causes`.
  case answer(DeliveryStage, cause: String)
  case chaos(Chaos)

  public enum Chaos: String, Hashable, Sendable, CaseIterable {
    /// The power is cut.
    case cut
    /// A sync fails, and the store stops.
    case failedSync
    /// Free space is under its floor; beyond the reserve, too.
    case spaceLow, fullDisk
    /// A reading or a change finds a descriptor wanting.
    case unavailable
    case clockJump
    /// The configuration is read again, and says something else.
    case reload
    /// A stored body no longer matches its checksum.
    case damagedBody
    /// A next hop takes a recipient and the connection is lost before it says so.
    case lostWord
    /// A next hop takes no more recipients at a time.
    case recipientLimit
  }

  /// Every kind there is: the golden table, and what machines and people do.
  public static let allKinds: [InjectedFault] =
    // A simulated hop is configured, so nothing is looked up for it.
    DeliveryStage.allCases.filter { $0 != .lookup }.flatMap { stage in FaultCatalogue.causes.map { .answer(stage, cause: $0.name) } }
    + Chaos.allCases.map(InjectedFault.chaos)
}
