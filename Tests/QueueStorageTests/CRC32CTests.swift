import Testing

@testable import QueueStorage

@Suite("crc32c")
struct CRC32CTests {
  /// RFC 3720 appendix B.4, and the check value of the CRC catalogue.
  static let vectors: [([UInt8], UInt32)] = [
    ([], 0),
    (Array("123456789".utf8), 0xe306_9283),
    ([UInt8](repeating: 0, count: 32), 0x8a91_36aa),
    ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43),
    (Array(0..<32), 0x46dd_794e),
    (Array((0..<32).reversed()), 0x113f_db5c),
  ]

  @Test("meets the published vectors, whole and split at every byte, by instruction and by table", arguments: vectors)
  func published(_ bytes: [UInt8], _ expected: UInt32) {
    for split in 0...bytes.count {
      var sum = CRC32C()
      bytes[..<split].withUnsafeBytes { sum.update($0) }
      bytes[split...].withUnsafeBytes { sum.update($0) }
      #expect(sum.value == expected)
      var byTable = CRC32C()
      bytes[..<split].withUnsafeBytes { byTable.updateByTable($0) }
      bytes[split...].withUnsafeBytes { byTable.updateByTable($0) }
      #expect(byTable == sum)
    }
  }
}
