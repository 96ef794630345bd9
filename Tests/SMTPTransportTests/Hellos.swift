/// Makes client hellos by hand, for what no library of today sends.
struct HandmadeHello {
  var legacyVersion: UInt16 = 0x0303
  var serverName: String?
  var supportedVersions: [UInt16] = []
  var protocols: [String] = []

  var body: [UInt8] {
    var extensions: [UInt8] = []
    if let serverName {
      let name = Array(serverName.utf8)
      extensions += field(0, vector([0] + vector(name)))
    }
    if !protocols.isEmpty {
      extensions += field(16, vector(protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }))
    }
    if !supportedVersions.isEmpty {
      extensions += field(43, [UInt8(supportedVersions.count * 2)] + supportedVersions.flatMap(pair))
    }
    return pair(legacyVersion) + [UInt8](repeating: 7, count: 32) + [0] + vector([0xc0, 0x2b, 0xc0, 0x09, 0x00, 0x2f])
      + [1, 0] + (extensions.isEmpty ? [] : vector(extensions))
  }

  var message: [UInt8] { [1, 0] + vector(body) }
  var record: [UInt8] { [22, 3, 1] + vector(message) }

  private func pair(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
  private func vector(_ octets: [UInt8]) -> [UInt8] { pair(UInt16(octets.count)) + octets }
  private func field(_ type: UInt16, _ octets: [UInt8]) -> [UInt8] { pair(type) + vector(octets) }
}
