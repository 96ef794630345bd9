import MailSyntax

@testable import DNSRecords

let dnsTargets = [FuzzTarget("zone-file", zoneFile), FuzzTarget("resource-data", atMost: 1_024, resourceData)]

/// RFC 1035 §5.
private func zoneFile(_ bytes: UnsafeRawBufferPointer) {
  let file: ZoneFile
  do throws(ZoneFileFault) {
    file = try ZoneFile(Array(bytes))
  } catch {
    require(isOneLine("\(error)"), "a fault is one line: \("\(error)".debugDescription)")
    return
  }
  let written = file.records.map { "\(escaped($0.name.description)) \(text($0.data))\n" }.joined()
  let again = made(try ZoneFile(Array(written.utf8)))
  require(again == file, "a zone is read again: \(written.debugDescription)")
  let resolver = file.resolver()
  for record in file.records.prefix(64) {
    let name = record.name
    let answer = result { await resolver.texts(of: name) }
    let isThere = if case .noSuchName = answer { false } else { true }
    require(isThere, "a name that stands in a zone is there: \(name)")
    if case .records(let found) = answer { require(!found.records.isEmpty, "an answer is not empty") }
  }
}

private func text(_ data: ZoneFile.Data) -> String {
  switch data {
  case .address(let address): "\(address.family == .v4 ? "A" : "AAAA") \(address)"
  case .exchanger(let exchanger):
    if case .host(let name) = exchanger.exchange {
      "MX \(exchanger.preference) \(escaped(name.description))"
    } else {
      "MX \(exchanger.preference) ."
    }
  case .text(let octets):
    "TXT "
      + stride(from: 0, through: max(0, octets.count - 1), by: 255)
      .map { "\"\(escaped(octets[$0..<min($0 + 255, octets.count)]))\"" }.joined(separator: " ")
  case .alias(let name): "CNAME \(escaped(name.description))"
  case .pointer(let name): "PTR \(escaped(name.description))"
  case .other: "HINFO"
  }
}

private func escaped(_ text: String) -> String { escaped(Array(text.utf8)[...]) }

/// Whatever could end a word as its number.
private func escaped(_ octets: ArraySlice<UInt8>) -> String {
  octets.reduce(into: "") { text, octet in
    if octet.isASCIIAlphanumeric || octet == UInt8(ascii: ".") || octet == UInt8(ascii: "_") {
      text.unicodeScalars.append(Unicode.Scalar(octet))
    } else {
      text += "\\" + String(repeating: "0", count: 3 - "\(octet)".count) + "\(octet)"
    }
  }
}

// MARK: RDATA

/// RFC 1035 §3.3, RFC 3596 §2.2. Whatever it is, it is read as each type that has a form.
private func resourceData(_ bytes: UnsafeRawBufferPointer) {
  let data = Array(bytes)
  if let text = read({ () throws(ResourceDataFault) in try ResourceData.text(data) }) {
    var strings = 0
    var rest = data[...]
    while let length = rest.popFirst() {
      rest = rest.dropFirst(Int(length))
      strings += 1
    }
    require(text.count + strings == data.count, "a text has every octet of its strings")
  }
  if let name = read({ () throws(ResourceDataFault) in try ResourceData.domainName(data) }) {
    require(wire(name) == data, "a name is written as it was read: \(name)")
  }
  if let exchanger = read({ () throws(ResourceDataFault) in try ResourceData.mailExchanger(data) }) {
    require(exchanger.preference == UInt16(data[0]) << 8 | UInt16(data[1]), "a preference is the first two octets")
    switch exchanger.exchange {
    case .null: require(data.dropFirst(2).elementsEqual([0]), "the root alone is no host")
    case .host(let name):
      require(wire(name) == Array(data.dropFirst(2)), "a host is written as it was read: \(name)")
      require(IPAddress(name.description) == nil, "an address is no host")
    case .unusable(let text): require(isOneLine(text), "what can't be used is told in one line")
    }
  }
  for family in AddressFamily.allCases {
    guard let address = read({ () throws(ResourceDataFault) in try ResourceData.address(data, family: family) })
    else { continue }
    require(address.family == family, "an address is of the family that was asked for")
    require(IPAddress(address.description) == address, "an address is read again: \(address)")
  }
}

private func read<Value>(_ body: () throws(ResourceDataFault) -> Value) -> Value? {
  do throws(ResourceDataFault) {
    return try body()
  } catch {
    require(isOneLine(error.reason) && error.reason.utf8.count <= 2_048, "a fault is one short line")
    return nil
  }
}

/// RFC 1035 §3.1.
private func wire(_ name: DomainName) -> [UInt8] {
  name.description.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
}
