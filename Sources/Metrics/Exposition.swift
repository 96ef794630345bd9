/// Metrics as text: the Prometheus exposition format, version 0.0.4.
struct Exposition {
  /// Of one label's value; a domain name has 253.
  static let maximumLabelOctets = 300

  enum Kind: String { case counter, gauge }

  struct Sample {
    let labels: [(name: String, value: String)]
    let value: Int
    init(_ labels: [(name: String, value: String)], _ value: Int) {
      self.labels = labels
      self.value = value
    }
  }

  private(set) var text = ""

  /// A family is introduced also where it has no sample yet.
  mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    for sample in samples {
      let labels = sample.labels.map { "\($0.name)=\"\(Exposition.escaped($0.value))\"" }.joined(separator: ",")
      text += labels.isEmpty ? "\(name) \(sample.value)\n" : "\(name){\(labels)} \(sample.value)\n"
    }
  }

  /// What a peer has said ends neither a label nor a line.
  private static func escaped(_ value: String) -> String {
    var escaped = ""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\\": escaped += "\\\\"
      case "\"": escaped += "\\\""
      case "\n": escaped += "\\n"
      case _ where scalar.value < 0x20 || scalar.value == 0x7f: escaped += "?"
      case _: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }
}
