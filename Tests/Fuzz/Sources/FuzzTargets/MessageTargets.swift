import MailSyntax
import NIOCore

@testable import MailAuthentication
@testable import MailMessage

let messageTargets = [
  FuzzTarget("header-section", headerSection), FuzzTarget("address-list", addressList),
]

/// RFC 5322 §2.2 and RFC 6376 §3.4.1, §3.4.2. The first line: where the message is cut.
private func headerSection(_ bytes: UnsafeRawBufferPointer) {
  let (line, octets) = bytes.firstLine()
  let whole = message(octets)
  let cut = message(pieces(of: octets, lengths: line))
  require(whole?.header == cut?.header, "a section in pieces is the whole one")
  guard let (header, body) = whole else { return }
  let content = body.flatMap { Array($0.readableBytesView) }
  require(cut?.body.flatMap { Array($0.readableBytesView) } == content, "a body in pieces is the whole one")
  require(Array(header.bytes.readableBytesView) + content == octets, "nothing is lost")
  require(header.fields.count <= HeaderScanner.maximumFields, "fields are bounded")
  var end = 0
  for field in header.fields {
    require(field.rawRange.lowerBound == end, "fields stand one behind the other")
    end = field.rawRange.upperBound
    require(
      field.nameRange.lowerBound == field.rawRange.lowerBound
        && field.nameRange.upperBound < field.valueRange.lowerBound
        && field.valueRange.upperBound <= end, "name and value stand in their field")
    let raw = Array(header.octets(in: field.rawRange))
    let relaxed = DKIMCanonicalization.relaxed.field(raw)
    require(relaxed == canonical(raw), "a field has the canonical form: \(String(decoding: raw, as: UTF8.self))")
    require(DKIMCanonicalization.relaxed.field(relaxed) == relaxed, "the canonical form is its own")
    require(DKIMCanonicalization.simple.field(raw).starts(with: raw), "simple changes nothing")
    let value = header.unfoldedValue(of: field)
    require(!value.contains(0x0d) && !value.contains(0x0a), "an unfolded value is one line")
  }
  require(end <= header.bytes.readableBytes, "fields stand in the section")
}

/// RFC 6376 §3.4.2, one step after the other.
private func canonical(_ field: [UInt8]) -> [UInt8] {
  var text = field
  if text.suffix(2).elementsEqual([0x0d, 0x0a]) { text.removeLast(2) }
  var unfolded: [UInt8] = []
  for (index, octet) in text.enumerated() {
    let pair = text[index...].prefix(2)
    let isFold = pair.elementsEqual([0x0d, 0x0a]) || index > 0 && text[(index - 1)...].starts(with: [0x0d, 0x0a])
    if !isFold { unfolded.append(octet) }
  }
  let isWhite = { (octet: UInt8) in octet == 0x20 || octet == 0x09 }
  let colon = unfolded.firstIndex(of: UInt8(ascii: ":")) ?? unfolded.endIndex
  let name = unfolded[..<colon].filter { !isWhite($0) }.map(\.lowercasedASCII)
  let words = unfolded[colon...].dropFirst().split(whereSeparator: isWhite)
  return name + [UInt8(ascii: ":")] + Array(words.joined(separator: [0x20])) + [0x0d, 0x0a]
}

/// RFC 5322 §3.4, RFC 6854, RFC 6532.
private func addressList(_ bytes: UnsafeRawBufferPointer) {
  for allowsUTF8 in [false, true] {
    let list: AddressList
    do throws(FieldSyntaxError) {
      list = try AddressList.parse(octets: Array(bytes), allowsUTF8: allowsUTF8)
    } catch {
      require(isOneLine("\(error)"), "a fault is one line: \("\(error)".debugDescription)")
      continue
    }
    require(list.entries.count <= AddressList.maximumMailboxes, "mailboxes are bounded")
    require(!list.entries.isEmpty || list.hasGroup, "a list that is read names somebody")
    for mailbox in list.mailboxes {
      require((1...Mailbox.maximumLocalPartOctets).contains(mailbox.localPart.utf8.count), "a local part is bounded")
      require(allowsUTF8 || mailbox.isASCII, "an address is of ASCII where it has to be")
    }
    guard !list.entries.isEmpty else { continue }
    let written = list.entries.map { entry in
      (entry.displayName.map { FieldText.quoted($0) + " " } ?? "") + "<\(entry.mailbox)>"
    }
    let again = try? AddressList.parse(written.joined(separator: ", "), allowsUTF8: allowsUTF8)
    require(again?.entries == list.entries, "a list is read again: \(written)")
  }
}
