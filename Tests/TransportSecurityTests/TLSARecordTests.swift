import DNSRecords
import MailSyntax
import Testing
import TransportSecurity

@Suite("Which TLSA records can be used")
struct TLSARecordTests {
  private func set(_ records: [TLSARecord]) throws -> TLSASet {
    TLSASet(base: try DomainName("mx.example.test"), records: records)
  }

  private func record(_ usage: UInt8, _ selector: UInt8, _ type: UInt8, _ octets: Int = 32) -> TLSARecord {
    TLSARecord(usage: usage, selector: selector, matchingType: type, association: Array(repeating: 7, count: octets))
  }

  /// Every usage, selector and matching type, each with an association that has the form its type asks for.
  static let grid = """
    usage selector: full SHA-256 SHA-512 3
    0 0: usage usage usage usage
    0 1: usage usage usage usage
    0 2: usage usage usage usage
    1 0: usage usage usage usage
    1 1: usage usage usage usage
    1 2: usage usage usage usage
    2 0: ok ok ok type
    2 1: ok ok ok type
    2 2: selector selector selector selector
    3 0: ok ok ok type
    3 1: ok ok ok type
    3 2: selector selector selector selector
    4 0: usage usage usage usage
    4 1: usage usage usage usage
    4 2: usage usage usage usage
    """

  @Test(
    "DANE-014, DANE-018, DANE-019: usages 2 and 3 with selectors 0 and 1 and types 0, 1 and 2 can be used, no others")
  func everyCombination() {
    var lines = ["usage selector: full SHA-256 SHA-512 3"]
    for usage in UInt8(0)...4 {
      for selector in UInt8(0)...2 {
        let row = (UInt8(0)...3).map { type in
          let forms = TLSAVectors.associations[Int(min(selector, 1))]
          let record = TLSARecord(
            usage: usage, selector: selector, matchingType: type, association: forms[Int(min(type, 2))])
          guard let fault = record.fault else { return "ok" }
          return ["usage", "selector", "type"].first(where: fault.contains) ?? fault
        }
        lines.append("\(usage) \(selector): \(row.joined(separator: " "))")
      }
    }
    #expect(lines.joined(separator: "\n") == Self.grid)
  }

  @Test("DANE-019: a record of no octets to 35, whatever they say, is unusable but where it is a digest of 32")
  func shortData() throws {
    for length in 0...35 {
      for filling in [UInt8(0), 1, 2, 3, 255] {
        let record = TLSARecord(data: Array(repeating: filling, count: length))
        #expect(record.fault != nil, "\(length) of \(filling)")
      }
      let digest = TLSARecord(data: Array([3, 1, 1].prefix(length)) + Array(repeating: 9, count: max(0, length - 3)))
      #expect((digest.fault == nil) == (length == 35), "\(length)")
      #expect(try set([digest]).usable.count == (length == 35 ? 1 : 0))
    }
  }

  @Test(
    "DANE-019: a digest of another length than its kind's, and a full form that is none, are unusable and say so",
    arguments: [
      (1, 31, "SHA-256"), (1, 33, "SHA-256"), (1, 64, "SHA-256"), (1, 0, "SHA-256"), (2, 32, "SHA-512"),
      (2, 63, "SHA-512"), (2, 65, "SHA-512"), (0, 0, "holds no"), (0, 32, "holds no"), (0, 65_000, "holds no"),
    ] as [(UInt8, Int, String)])
  func wrongForm(_ type: UInt8, _ octets: Int, _ words: String) {
    for usage in UInt8(2)...3 {
      for selector in UInt8(0)...1 {
        let fault = record(usage, selector, type, octets).fault
        #expect(fault?.contains(words) == true, "\(usage) \(selector) \(type) with \(octets)")
      }
    }
  }

  @Test("DANE-018: a full form is a certificate under selector 0 and a key under selector 1, and cut off it is neither")
  func fullForms() {
    for (selector, form) in [(UInt8(0), TLSAVectors.certificate), (1, TLSAVectors.publicKeyInfo)] {
      func fault(_ octets: [UInt8], under selector: UInt8) -> String? {
        TLSARecord(usage: 3, selector: selector, matchingType: 0, association: octets).fault
      }
      #expect(fault(form, under: selector) == nil)
      #expect(fault(form, under: 1 - selector) != nil)
      #expect(fault(form + [0], under: selector) != nil)
      for length in form.indices { #expect(fault(Array(form.prefix(length)), under: selector) != nil, "\(length)") }
    }
  }

  @Test("DANE-020: of each usage and selector every full record counts, and of the digests the strongest alone")
  func agility() throws {
    let weak = record(3, 1, 1)
    let strong = record(3, 1, 2, 64)
    let otherStrong = TLSARecord(usage: 3, selector: 1, matchingType: 2, association: Array(repeating: 8, count: 64))
    let full = TLSARecord(usage: 3, selector: 1, matchingType: 0, association: TLSAVectors.publicKeyInfo)
    #expect(try set([weak]).usable == [weak])
    #expect(try set([weak, strong]).usable == [strong])
    #expect(try set([strong, weak, full, otherStrong]).usable == [strong, full, otherStrong])
    #expect(try set([full, weak]).usable == [full, weak])
    // Neither another usage's digest nor another selector's is a stronger one of this kind.
    for other in [record(2, 1, 2, 64), record(3, 0, 2, 64)] {
      #expect(try set([weak, other]).usable == [weak, other])
    }
    // What can't be used isn't strong.
    for broken in [record(3, 1, 2, 32), record(1, 1, 2, 64), record(3, 1, 3, 64)] {
      #expect(try set([broken, weak]).usable == [weak])
    }
  }

  @Test("DANE-012: of records that are all unusable none is left")
  func allUnusable() throws {
    let records = [record(0, 0, 1), record(3, 2, 1), record(3, 1, 1, 20), TLSARecord(data: [])]
    #expect(try set(records).usable == [])
  }

  @Test("DANE-018: a certificate is matched by its own octets and digests under their selector and type, and no others")
  func matching() {
    let certificate = TLSACertificate(der: TLSAVectors.certificate)
    #expect(certificate.publicKeyInfo == TLSAVectors.publicKeyInfo)
    for usage in UInt8(2)...3 {
      for (selector, forms) in TLSAVectors.associations.enumerated() {
        for (type, form) in forms.enumerated() {
          for otherSelector in UInt8(0)...1 {
            for otherType in UInt8(0)...2 {
              let record = TLSARecord(
                usage: usage, selector: otherSelector, matchingType: otherType, association: form)
              let isSame = Int(otherSelector) == selector && Int(otherType) == type
              #expect(certificate.matches(record) == isSame, "\(selector) \(type) as \(record)")
            }
          }
          var changed = form
          changed[changed.count - 1] ^= 1
          #expect(
            !certificate.matches(
              TLSARecord(
                usage: usage, selector: UInt8(selector), matchingType: UInt8(type), association: changed)))
        }
      }
    }
    let digest = TLSAVectors.publicKeySHA256
    for usage in UInt8(0)...1 {
      #expect(
        !certificate.matches(TLSARecord(usage: usage, selector: 1, matchingType: 1, association: digest)),
        "DANE-014: usage \(usage)")
    }
  }

  @Test(
    "octets that are no certificate have no key, cut off anywhere, longer, or with another element in the key's place")
  func noCertificate() {
    let der = TLSAVectors.certificate
    for length in der.indices { #expect(TLSACertificate(der: Array(der.prefix(length))).publicKeyInfo == nil) }
    #expect(TLSACertificate(der: der + [0]).publicKeyInfo == nil)
    // 30 82 01 4a, and the same length in a longer form, which is no DER; and an end that is only marked.
    #expect(TLSACertificate(der: [0x30, 0x83, 0] + der.dropFirst(2)).publicKeyInfo == nil)
    #expect(TLSACertificate(der: [0x30, 0x80] + der.dropFirst(4) + [0, 0]).publicKeyInfo == nil)
    // Every octet up to the end of the key changed: a key that is found is the one in its place, never another's.
    let start = der.indices.first { der[$0...].starts(with: TLSAVectors.publicKeyInfo) } ?? 0
    #expect(start > 0)
    for place in 0..<start + 44 {
      for bit in 0..<8 {
        var changed = der
        changed[place] ^= 1 << bit
        guard let key = TLSACertificate(der: changed).publicKeyInfo else { continue }
        #expect(changed[start...].starts(with: key) && key.count == 44, "octet \(place), bit \(bit)")
      }
    }
  }
}
