extension String {
  /// At most `limit` octets of UTF-8: the beginning, whole characters, with `…` where something is left out.
  public func cut(toOctets limit: Int) -> String {
    guard utf8.count > limit else { return self }
    let room = max(0, limit - "…".utf8.count)
    var end = utf8.index(startIndex, offsetBy: room)
    // A character may be of many octets: back to where one begins.
    while end > startIndex, String.Index(end, within: self) == nil { end = utf8.index(before: end) }
    return String(self[..<end]) + "…"
  }
}
