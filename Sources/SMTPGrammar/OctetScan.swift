#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The octets that line discipline is about.
enum Octet {
  static let lineFeed = UInt8(ascii: "\n")
  static let carriageReturn = UInt8(ascii: "\r")
  static let dot = UInt8(ascii: ".")
}

extension UnsafeRawBufferPointer {
  /// Where `octet` stands first within `range`. `memchr` reads several octets at a time, which no loop here does.
  func first(_ octet: UInt8, in range: Range<Int>) -> Int? {
    let window = UnsafeRawBufferPointer(rebasing: self[range])
    guard let start = window.baseAddress, !window.isEmpty, let hit = memchr(start, Int32(octet), window.count) else {
      return nil
    }
    return range.lowerBound + UnsafeRawPointer(hit).distance(from: start)
  }
}

extension UnsafeRawPointer {
  fileprivate func distance(from start: UnsafeRawPointer) -> Int { self - start }
}
