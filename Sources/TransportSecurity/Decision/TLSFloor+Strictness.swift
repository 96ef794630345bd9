extension TLSFloor {
  /// Whether it lets mail go that the other holds back.
  public func isWeaker(than other: TLSFloor) -> Bool { rank < other.rank }

  private var rank: Int {
    switch self {
    case .opportunistic: 0
    case .encrypt: 1
    case .verified: 2
    case .dane: 3
    }
  }
}

extension OperatorFloor: CustomStringConvertible {
  /// `verified (outbound.tls.floor)`: the floor, and by whose word.
  public var description: String { "\(floor.rawValue) (\(origin))" }
}
