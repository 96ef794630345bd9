import Crypto
import MailMessage
import NIOCore

/// A header section's fields by their names, as signatures take them: from the bottom up (RFC 6376 §5.4.2).
struct SignedFields: Sendable {
  private let header: HeaderSection
  /// The lowest last.
  private let places: [String: [Int]]

  init(_ header: HeaderSection) {
    self.header = header
    places = Dictionary(grouping: header.fields.indices) { header.fields[$0].name }
  }

  /// The hash that a signature stands for: its fields, and at last itself without its value (RFC 6376 §3.7).
  func digest(_ signature: DKIMSignature, field own: HeaderSection.Field) -> SHA256Digest {
    var raw = Array(header.octets(in: own.rawRange))
    let start = own.valueRange.lowerBound - own.rawRange.lowerBound
    raw.removeSubrange(start + signature.signatureRange.lowerBound..<start + signature.signatureRange.upperBound)
    let canonicalization = signature.headerCanonicalization
    let places = places(of: signature.fieldNames, without: own.rawRange.lowerBound)
    return SignedFields.digest(header.text(at: places, canonicalization), canonicalization, last: raw)
  }

  /// - Parameters:
  ///   - text: of the fields before it, in their canonical form.
  ///   - own: the signature's own field with an empty `b=`; it is taken without its line end.
  static func digest(_ text: [UInt8], _ canonicalization: DKIMCanonicalization, last own: [UInt8]) -> SHA256Digest {
    var text = text
    own.withUnsafeBytes { canonicalization.write($0, to: &text) }
    return SHA256.hash(data: text.dropLast(2))
  }

  /// Where the fields of these names stand, in the names' order.
  ///
  /// - Parameter start: where in the section the signature's own field stands, which is not one of those it signs.
  func places(of names: [String], without start: Int? = nil) -> [Int] {
    var signed: [Int] = []
    var taken: [String: Int] = [:]
    for name in names {
      // A name that stands more often than the field is signed as absent: added later, the signature breaks.
      guard var found = places[name] else { continue }
      if name == "dkim-signature" { found.removeAll { header.fields[$0].rawRange.lowerBound == start } }
      let count = taken[name, default: 0]
      guard count < found.count else { continue }
      taken[name] = count + 1
      signed.append(found[found.count - 1 - count])
    }
    return signed
  }
}

/// What a signer signs: no look-up by name but one for each field.
struct SigningOrder: Sendable {
  /// In the order of `h=`.
  private(set) var names: [String] = []
  /// The places of those that are there, in the same order.
  private(set) var places: [Int] = []

  init(_ header: HeaderSection) {
    // By name, and the lowest of a name first.
    let order = header.fields.enumerated().compactMap { place, field in
      SigningOrder.ranks[field.name].map { (rank: $0, place: place) }
    }.sorted { ($0.rank, $1.place) < ($1.rank, $0.place) }
    var rest = order[...]
    for (rank, name) in SigningOrder.all.enumerated() {
      while let next = rest.first, next.rank == rank {
        names.append(name)
        places.append(next.place)
        rest = rest.dropFirst()
      }
      if rank < DKIMSigner.sealedFields.count { names.append(name) }
    }
  }

  private static let all = DKIMSigner.sealedFields + DKIMSigner.otherFields
  private static let ranks = Dictionary(uniqueKeysWithValues: zip(all, 0...))
}

extension HeaderSection {
  /// The fields at these places in their canonical form, one behind the other.
  func text(at places: [Int], _ canonicalization: DKIMCanonicalization) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity(bytes.readableBytes + 1_024)
    bytes.withUnsafeReadableBytes { octets in
      for place in places {
        canonicalization.write(UnsafeRawBufferPointer(rebasing: octets[fields[place].rawRange]), to: &text)
      }
    }
    return text
  }
}
