import CCRC32C

/// The Castagnoli CRC of RFC 3720 appendix B.4: by the processor's instruction where it has one, else eight bytes a step
/// by table ("slicing by eight").
struct CRC32C: Hashable, Sendable {
  private var state: UInt32 = ~0
  var value: UInt32 { ~state }

  private static let hasInstruction = ccrc32c_has_instruction()

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    guard CRC32C.hasInstruction else { return updateByTable(bytes) }
    state = ccrc32c_update(state, base, bytes.count)
  }

  mutating func updateByTable(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    let table = CRC32C.table.pointer
    var crc = state
    var offset = 0
    let end = bytes.count
    while end &- offset >= 8 {
      let low = UInt32(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) ^ crc
      let high = UInt32(littleEndian: base.loadUnaligned(fromByteOffset: offset &+ 4, as: UInt32.self))
      crc =
        table[Int(truncatingIfNeeded: 1792 &+ (low & 255))]
        ^ table[Int(truncatingIfNeeded: 1536 &+ (low &>> 8 & 255))]
      crc ^=
        table[Int(truncatingIfNeeded: 1280 &+ (low &>> 16 & 255))]
        ^ table[Int(truncatingIfNeeded: 1024 &+ (low &>> 24))]
      crc ^=
        table[Int(truncatingIfNeeded: 768 &+ (high & 255))]
        ^ table[Int(truncatingIfNeeded: 512 &+ (high &>> 8 & 255))]
      crc ^=
        table[Int(truncatingIfNeeded: 256 &+ (high &>> 16 & 255))] ^ table[Int(truncatingIfNeeded: high &>> 24)]
      offset &+= 8
    }
    while offset < end {
      let octet = base.load(fromByteOffset: offset, as: UInt8.self)
      crc = crc &>> 8 ^ table[Int(truncatingIfNeeded: (crc ^ UInt32(octet)) & 255)]
      offset &+= 1
    }
    state = crc
  }

  /// Table k, at 256 × k, moves a byte's remainder k bytes on. Made once, never changed, never freed.
  private struct Table: @unchecked Sendable { let pointer: UnsafePointer<UInt32> }
  private static let table: Table = {
    let table = UnsafeMutablePointer<UInt32>.allocate(capacity: 2048)
    for octet in 0..<256 {
      var remainder = UInt32(octet)
      for _ in 0..<8 { remainder = remainder & 1 == 0 ? remainder >> 1 : remainder >> 1 ^ 0x82f6_3b78 }
      table[octet] = remainder
    }
    for index in 256..<2048 {
      let previous = table[index - 256]
      table[index] = previous >> 8 ^ table[Int(previous & 255)]
    }
    return Table(pointer: UnsafePointer(table))
  }()
}
