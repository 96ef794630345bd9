/// How what a peer says is cut up on its way.
enum Feeding: Hashable, Sendable {
  case whole
  case byteByByte
  /// In two pieces, cut behind that many octets of each of the peer's turns.
  case cut(Int)

  func pieces(of octets: [UInt8]) -> [ArraySlice<UInt8>] {
    switch self {
    case .whole: octets.isEmpty ? [] : [octets[...]]
    case .byteByByte: octets.indices.map { octets[$0...$0] }
    case .cut(let at): at >= octets.count ? [octets[...]] : [octets[..<at], octets[at...]]
    }
  }
}
